// What the terminal tells of itself in every poll: account, clock, symbols, tickets.
#ifndef SUPERINTEL_SNAPSHOT
#define SUPERINTEL_SNAPSHOT
#include "Clock.mqh"
#include "Text.mqh"

const int SCANS = 5;
const int PRICE_DIGITS = 8;
const uint HISTORY_EVERY = 60000;  // milliseconds

long history_from = -1;      // the server's seconds; -1 until the bridge has said
int  history_told = -1;      // OrdersHistoryTotal when closed tickets were last told and taken
uint history_told_at = 0;
int  history_telling = -1;   // the same, of the poll that is under way

string AccountRecord()
{
   string record = "ACCOUNT";
   record += IntegerField("login", AccountNumber());
   record += Field("server", AccountServer());
   record += Field("company", AccountCompany());
   record += Field("currency", AccountCurrency());
   record += NumberField("balance", AccountBalance(), 2);
   record += NumberField("equity", AccountEquity(), 2);
   record += NumberField("margin", AccountMargin(), 2);
   record += NumberField("free_margin", AccountFreeMargin(), 2);
   record += IntegerField("leverage", AccountLeverage());
   record += FlagField("demo", IsDemo());
   record += FlagField("connected", IsConnected());
   record += FlagField("trade_allowed", MayTrade());
   return record;
}

string ClockRecord()
{
   string record = "CLOCK";
   record += IntegerField("now_server", (long)TimeCurrent());
   record += IntegerField("utc", NowMilliseconds());
   if(offset_known)
      record += IntegerField("offset", server_offset);
   return record;
}

string SymbolRecord(string symbol)
{
   int digits = (int)MarketInfo(symbol, MODE_DIGITS);
   string record = "SYMBOL";
   record += Field("name", symbol);
   record += NumberField("bid", MarketInfo(symbol, MODE_BID), digits);
   record += NumberField("ask", MarketInfo(symbol, MODE_ASK), digits);
   record += IntegerField("time_server", (long)MarketInfo(symbol, MODE_TIME));
   record += IntegerField("digits", digits);
   record += NumberField("lot_size", MarketInfo(symbol, MODE_LOTSIZE), 2);
   record += NumberField("lot_step", MarketInfo(symbol, MODE_LOTSTEP), 8);
   record += NumberField("min_lot", MarketInfo(symbol, MODE_MINLOT), 8);
   record += NumberField("max_lot", MarketInfo(symbol, MODE_MAXLOT), 8);
   record += IntegerField("stops_level", (long)MarketInfo(symbol, MODE_STOPLEVEL));
   record += IntegerField("freeze_level", (long)MarketInfo(symbol, MODE_FREEZELEVEL));
   record += FlagField("trade_allowed", MarketInfo(symbol, MODE_TRADEALLOWED) > 0.5);
   return record;
}

// One line for each symbol: those named (with commas between), or all of the Market Watch.
string SymbolRecords(string named)
{
   string text = "";
   if(named != "")
   {
      LIST(string, names);
      int count = StringSplit(named, ',', names);
      for(int i = 0; i < count; i++)
         if(names[i] != "")
            text += SymbolRecord(names[i]) + "\n";
      return text;
   }
   for(int i = 0; i < SymbolsTotal(true); i++)
      text += SymbolRecord(SymbolName(i, true)) + "\n";
   return text;
}

// The selected order. Its prices do not depend on whether its symbol is loaded.
string TicketRecord()
{
   int digits = PRICE_DIGITS;
   string record = "TICKET";
   record += IntegerField("ticket", OrderTicket());
   record += Field("symbol", OrderSymbol());
   record += IntegerField("type", OrderType());
   record += NumberField("lots", OrderLots(), 8);
   record += IntegerField("open_time_server", (long)OrderOpenTime());
   record += NumberField("open_price", OrderOpenPrice(), digits);
   record += IntegerField("close_time_server", (long)OrderCloseTime());
   record += NumberField("close_price", OrderClosePrice(), digits);
   record += NumberField("stop_loss", OrderStopLoss(), digits);
   record += NumberField("take_profit", OrderTakeProfit(), digits);
   record += IntegerField("expiration_server", (long)OrderExpiration());
   record += NumberField("commission", OrderCommission(), 2);
   record += NumberField("swap", OrderSwap(), 2);
   record += NumberField("profit", OrderProfit(), 2);
   record += IntegerField("magic", OrderMagicNumber());
   record += Field("comment", OrderComment());
   return record;
}

// True when closed tickets are to be told in this poll.
bool IsHistoryDue()
{
   if(history_from < 0)
      return false;
   return OrdersHistoryTotal() != history_told || GetTickCount() - history_told_at >= HISTORY_EVERY;
}

// All open tickets, and the closed ones when they are due. The lists may change while they are
// read: then they are read again.
string TicketRecords()
{
   string text = "";
   int open = 0;
   string before = "";
   for(int scan = 0; scan < SCANS; scan++)
   {
      text = "";
      open = 0;
      string numbers = "";
      int total = OrdersTotal();
      for(int i = 0; i < total; i++)
      {
         if(!OrderSelect(i, SELECT_BY_POS, MODE_TRADES) || OrderCloseTime() != 0)
            continue;
         text += TicketRecord() + "\n";
         numbers += IntegerToString(OrderTicket()) + " ";
         open++;
      }
      // The list may change while it is read: two looks that agree are needed.
      if(scan > 0 && open == total && OrdersTotal() == total && numbers == before)
         break;
      before = numbers;
   }
   bool history = IsHistoryDue();
   history_telling = -1;
   if(history)
   {
      history_telling = OrdersHistoryTotal();
      for(int i = 0; i < history_telling; i++)
         if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) && (long)OrderCloseTime() >= history_from)
            text += TicketRecord() + "\n";
   }
   string counts = "TICKETS";
   counts += IntegerField("open", open);
   counts += FlagField("history", history);
   if(history)
      counts += IntegerField("from_server", history_from);
   return counts + "\n" + text;
}

// The bridge has taken the poll.
void NoteTaken(long from_server)
{
   if(history_telling >= 0)
   {
      history_told = history_telling;
      history_told_at = GetTickCount();
   }
   if(history_from < 0)
      history_told = -1;
   history_from = from_server;
}

#endif
