// Calls to the trade server, each tried again only after a definite no for a reason that passes.
#ifndef SUPERINTEL_TRADING
#define SUPERINTEL_TRADING
#include "Clock.mqh"
#include "Errors.mqh"
#include "Tickets.mqh"

enum TradeCall
{
   CALL_SEND,
   CALL_CLOSE,
   CALL_DELETE,
   CALL_MODIFY
};

// One request to the trade server, and what came of it.
struct Trade
{
   TradeCall call;
   string    id;
   string    symbol;
   int       type;
   int       ticket;
   double    lots;
   double    price;
   double    stop_loss;
   double    take_profit;
   int       deviation;
   int       magic;
   datetime  expiration;
   long      valid_until;
   bool      done;
   int       error;
};

int max_tries = 10;
int retry_milliseconds = 300;

// What a market order or a close has to name as its price.
double MarketPrice(string symbol, bool buys)
{
   int digits = (int)MarketInfo(symbol, MODE_DIGITS);
   return NormalizeDouble(MarketInfo(symbol, buys ? MODE_ASK : MODE_BID), digits);
}

const int OFF_QUOTES = 136;

// What a call names as its price; a deletion has none.
double PriceOf(Trade &trade)
{
   if(trade.call == CALL_CLOSE)
      return MarketPrice(trade.symbol, trade.type == OP_SELL);
   if(trade.call == CALL_SEND && trade.type <= OP_SELL)
      return MarketPrice(trade.symbol, trade.type == OP_BUY);
   return trade.call == CALL_DELETE ? 1.0 : trade.price;
}

// One call. The chart's comment names the command while the call lasts.
bool CallOnce(Trade &trade)
{
   RefreshRates();
   ResetLastError();
   double price = PriceOf(trade);
   if(price <= 0.0)
   {
      trade.error = OFF_QUOTES;  // a symbol that was selected just now has no price yet
      return false;
   }
   bool done = false;
   Comment(trade.id);
   if(trade.call == CALL_SEND)
   {
      int ticket = OrderSend(trade.symbol, trade.type, trade.lots, price, trade.deviation, 0.0, 0.0,
                             trade.id, trade.magic, trade.expiration, clrNONE);
      done = (ticket > 0);
      if(done)
         trade.ticket = ticket;
   }
   else if(trade.call == CALL_CLOSE)
      done = OrderClose(trade.ticket, trade.lots, price, trade.deviation, clrNONE);
   else if(trade.call == CALL_DELETE)
      done = OrderDelete(trade.ticket, clrNONE);
   else
      done = OrderModify(trade.ticket, price, trade.stop_loss, trade.take_profit,
                         trade.expiration, clrNONE);
   trade.error = done ? 0 : GetLastError();
   Comment("");
   return done;
}

// Call until it is done, refused, in doubt, or too late. No send ever follows a doubt.
void Call(Trade &trade)
{
   trade.done = false;
   for(int tries = 0; tries < max_tries; tries++)
   {
      if(tries > 0 && NowMilliseconds() > trade.valid_until)
         return;
      trade.done = CallOnce(trade);
      if(trade.done || ClassOf(trade.error) != ERROR_RETRY)
         return;
      Print("superintel: ", trade.id, ": error ", trade.error, ", trying again");
      Sleep(retry_milliseconds);
   }
}

bool IsSamePrice(double one, double other)
{
   return MathAbs(one - other) < 0.00000001;
}

// Give the ticket its stop loss and take profit. Accounts with market execution take neither with
// the order itself, so this is a second step; doing it twice changes nothing. 0, or the last error.
int Protect(int ticket, string id, double stop_loss, double take_profit, long valid_until)
{
   if(!SelectTicket(ticket) || OrderCloseTime() != 0)
      return 0;
   if(IsSamePrice(OrderStopLoss(), stop_loss) && IsSamePrice(OrderTakeProfit(), take_profit))
      return 0;
   Trade trade;
   trade.call = CALL_MODIFY;
   trade.id = id;
   trade.symbol = OrderSymbol();
   trade.type = OrderType();
   trade.ticket = ticket;
   trade.lots = OrderLots();
   trade.price = OrderOpenPrice();
   trade.stop_loss = stop_loss;
   trade.take_profit = take_profit;
   trade.deviation = 0;
   trade.magic = OrderMagicNumber();
   trade.expiration = OrderExpiration();
   // What is open has to be protected, however late it is.
   trade.valid_until = valid_until + 60000;
   trade.done = false;
   trade.error = 0;
   Call(trade);
   if(trade.done)
      return 0;
   if(SelectTicket(ticket) && IsSamePrice(OrderStopLoss(), stop_loss)
      && IsSamePrice(OrderTakeProfit(), take_profit))
      return 0;
   return trade.error;
}

#endif
