// MQL4's account, symbols and orders, as the simulated trade server has them. Its port is described
// in simulators/mt4_terminal/port.py.
#pragma once

#include <memory>

#include "files.h"
#include "sockets.h"

const int OP_BUY = 0;
const int OP_SELL = 1;
const int OP_SELLSTOP = 5;
const int SELECT_BY_POS = 0;
const int SELECT_BY_TICKET = 1;
const int MODE_TRADES = 0;
const int MODE_HISTORY = 1;
const int MODE_TIME = 5;
const int MODE_BID = 9;
const int MODE_ASK = 10;
const int MODE_DIGITS = 12;
const int MODE_STOPLEVEL = 14;
const int MODE_LOTSIZE = 15;
const int MODE_TRADEALLOWED = 22;
const int MODE_MINLOT = 23;
const int MODE_LOTSTEP = 24;
const int MODE_MAXLOT = 25;
const int MODE_FREEZELEVEL = 33;

namespace shim
{
using Fields = std::map<std::string, std::string>;

struct Row
{
   std::string kind;
   Fields fields;
   std::string text(const std::string &name) const
   {
      const auto found = fields.find(name);
      return found == fields.end() ? "" : found->second;
   }
   double number(const std::string &name) const { return std::strtod(text(name).c_str(), nullptr); }
   std::int64_t integer(const std::string &name) const { return std::strtoll(text(name).c_str(), nullptr, 10); }
};

inline std::string escaped(string value)
{
   StringReplace(value, "%", "%25");
   StringReplace(value, "\t", "%09");
   StringReplace(value, "\n", "%0A");
   return value;
}

inline std::string unescaped(string value)
{
   StringReplace(value, "%09", "\t");
   StringReplace(value, "%0A", "\n");
   StringReplace(value, "%0D", "\r");
   StringReplace(value, "%25", "%");
   return value;
}

inline Row parse_row(const string &line)
{
   List<string> parts;
   StringSplit(line, '\t', parts);
   Row row;
   row.kind = parts[0];
   for(int i = 1; i < ArraySize(parts); i++)
   {
      const auto equals = parts[i].find('=');
      row.fields[parts[i].substr(0, equals)] = unescaped(string(parts[i].substr(equals + 1)));
   }
   return row;
}

inline std::string in_digits(double value)
{
   return DoubleToString(value, 8);
}

// What the terminal knows of its account, brought up to date by `refresh`.
class TradeServer
{
public:
   int port = 0;
   std::string note;
   Row state, account;
   std::vector<Row> symbols, open, closed;
   const Row *selected = nullptr;
   Row selection;

   bool is_connected() const { return reached && state.integer("connected") != 0; }

   void refresh()
   {
      try
      {
         const auto rows = ask("STATE", {{"version", reached ? state.text("version") : "-1"}});
         state = rows.at(0);
         reached = true;
         if(rows.size() > 1)
            take(rows);
      }
      catch(const Lost &)
      {
         reached = false;
      }
   }

   // The ticket, or 0 with last_error set. What was sent and not answered is a timeout.
   int trade(const std::string &kind, Fields fields)
   {
      reach("before_send");
      if(!is_connected())
      {
         last_error = 6;
         return 0;
      }
      fields["note"] = note;
      try
      {
         const auto rows = ask(kind, fields);
         reach("after_send");
         refresh();
         if(rows.at(0).kind == "OK")
            return static_cast<int>(rows.at(0).integer("ticket"));
         last_error = static_cast<int>(rows.at(0).integer("code"));
      }
      catch(const Lost &)
      {
         last_error = 128;
      }
      return 0;
   }

   const Row *symbol(const std::string &name) const
   {
      for(const auto &row : symbols)
         if(row.text("name") == name)
            return &row;
      return nullptr;
   }

   bool select(int ticket)
   {
      for(const auto *rows : {&open, &closed})
         for(const auto &row : *rows)
            if(row.integer("ticket") == ticket)
               return keep(row);
      return false;
   }

   bool keep(const Row &row)
   {
      selection = row;
      return true;
   }

private:
   std::unique_ptr<Connection> connection;
   bool reached = false;

   std::vector<Row> ask(const std::string &kind, const Fields &fields)
   {
      std::string request = kind;
      for(const auto &[name, value] : fields)
         request += "\t" + name + "=" + escaped(string(value));
      request += "\nEND\n";
      try
      {
         if(!connection)
            connection = std::make_unique<Connection>("127.0.0.1", port, 0);
         connection->send(request);
         std::string answer;
         while(answer.size() < 4 || answer.compare(answer.size() - 4, 4, "END\n") != 0)
            if(!connection->receive(answer))
               throw Lost("the trade server went away");
         return rows_of(answer);
      }
      catch(const Lost &)
      {
         connection.reset();
         throw;
      }
   }

   static std::vector<Row> rows_of(const std::string &answer)
   {
      List<string> lines;
      StringSplit(string(answer), '\n', lines);
      std::vector<Row> rows;
      for(const auto &line : lines.items)
         if(!line.empty() && line != "END")
            rows.push_back(parse_row(line));
      return rows;
   }

   void take(const std::vector<Row> &rows)
   {
      symbols.clear();
      open.clear();
      closed.clear();
      for(const auto &row : rows)
      {
         if(row.kind == "ACCOUNT")
            account = row;
         else if(row.kind == "SYMBOL")
            symbols.push_back(row);
         else if(row.kind == "TICKET")
            (row.integer("close_time") == 0 ? open : closed).push_back(row);
      }
   }
};

inline TradeServer server;
}

inline void RefreshRates() { shim::server.refresh(); }
inline void Comment(const string &text) { shim::server.note = text; }
inline datetime TimeCurrent() { return shim::server.state.integer("now_server"); }

inline bool IsConnected() { return shim::server.is_connected(); }
inline bool IsDemo() { return shim::server.account.integer("demo") != 0; }
inline bool IsExpertEnabled() { return true; }
inline bool IsTradeContextBusy() { return false; }
inline bool IsTradeAllowed() { return shim::server.state.integer("trade_allowed") != 0; }
inline int AccountNumber() { return static_cast<int>(shim::server.account.integer("login")); }
inline int AccountLeverage() { return static_cast<int>(shim::server.account.integer("leverage")); }
inline string AccountServer() { return string(shim::server.account.text("server")); }
inline string AccountCompany() { return string(shim::server.account.text("company")); }
inline string AccountCurrency() { return string(shim::server.account.text("currency")); }
inline double AccountBalance() { return shim::server.account.number("balance"); }
inline double AccountEquity() { return shim::server.account.number("equity"); }
inline double AccountMargin() { return shim::server.account.number("margin"); }
inline double AccountFreeMargin() { return AccountEquity() - AccountMargin(); }

inline int SymbolsTotal(bool) { return static_cast<int>(shim::server.symbols.size()); }
inline string SymbolName(int at, bool)
{
   return string(shim::server.symbols.at(static_cast<std::size_t>(at)).text("name"));
}

inline bool SymbolSelect(const string &name, bool) { return shim::server.symbol(name) != nullptr; }

inline double MarketInfo(const string &name, int mode)
{
   const auto *symbol = shim::server.symbol(name);
   if(symbol == nullptr)
   {
      shim::last_error = 4106;
      return 0.0;
   }
   if(symbol->text("loaded") == "0")
      return 0.0;
   switch(mode)
   {
      case MODE_BID: return symbol->number("bid");
      case MODE_ASK: return symbol->number("ask");
      case MODE_TIME: return symbol->number("time");
      case MODE_DIGITS: return symbol->number("digits");
      case MODE_LOTSIZE: return symbol->number("lot_size");
      case MODE_LOTSTEP: return symbol->number("lot_step");
      case MODE_MINLOT: return symbol->number("min_lot");
      case MODE_MAXLOT: return symbol->number("max_lot");
      case MODE_TRADEALLOWED: return 1.0;
   }
   return 0.0;
}

inline int OrdersTotal() { return static_cast<int>(shim::server.open.size()); }
inline int OrdersHistoryTotal() { return static_cast<int>(shim::server.closed.size()); }

inline bool OrderSelect(int what, int how, int pool = MODE_TRADES)
{
   if(how == SELECT_BY_TICKET)
      return shim::server.select(what);
   const auto &rows = pool == MODE_HISTORY ? shim::server.closed : shim::server.open;
   if(what < 0 || static_cast<std::size_t>(what) >= rows.size())
      return false;
   return shim::server.keep(rows[static_cast<std::size_t>(what)]);
}

inline int OrderTicket() { return static_cast<int>(shim::server.selection.integer("ticket")); }
inline int OrderType() { return static_cast<int>(shim::server.selection.integer("type")); }
inline int OrderMagicNumber() { return static_cast<int>(shim::server.selection.integer("magic")); }
inline string OrderSymbol() { return string(shim::server.selection.text("symbol")); }
inline string OrderComment() { return string(shim::server.selection.text("comment")); }
inline datetime OrderOpenTime() { return shim::server.selection.integer("open_time"); }
inline datetime OrderCloseTime() { return shim::server.selection.integer("close_time"); }
inline datetime OrderExpiration() { return shim::server.selection.integer("expiration"); }
inline double OrderLots() { return shim::server.selection.number("lots"); }
inline double OrderOpenPrice() { return shim::server.selection.number("open_price"); }
inline double OrderClosePrice() { return shim::server.selection.number("close_price"); }
inline double OrderStopLoss() { return shim::server.selection.number("stop_loss"); }
inline double OrderTakeProfit() { return shim::server.selection.number("take_profit"); }
inline double OrderCommission() { return shim::server.selection.number("commission"); }
inline double OrderSwap() { return shim::server.selection.number("swap"); }
inline double OrderProfit() { return shim::server.selection.number("profit"); }

inline int OrderSend(const string &symbol, int type, double lots, double price, int slippage, double stop_loss,
                     double take_profit, const string &comment, int magic, datetime expiration, color)
{
   const int ticket = shim::server.trade(
      "SEND", {{"symbol", symbol},
               {"type", std::to_string(type)},
               {"lots", shim::in_digits(lots)},
               {"price", shim::in_digits(price)},
               {"deviation", std::to_string(slippage)},
               {"stop_loss", shim::in_digits(stop_loss)},
               {"take_profit", shim::in_digits(take_profit)},
               {"comment", comment},
               {"magic", std::to_string(magic)},
               {"expiration", std::to_string(expiration)}});
   return ticket > 0 ? ticket : -1;
}

inline bool OrderClose(int ticket, double lots, double price, int slippage, color)
{
   return shim::server.trade("CLOSE", {{"ticket", std::to_string(ticket)},
                                       {"lots", shim::in_digits(lots)},
                                       {"price", shim::in_digits(price)},
                                       {"deviation", std::to_string(slippage)}}) > 0;
}

inline bool OrderDelete(int ticket, color)
{
   return shim::server.trade("DELETE", {{"ticket", std::to_string(ticket)}}) > 0;
}

inline bool OrderModify(int ticket, double price, double stop_loss, double take_profit, datetime expiration, color)
{
   return shim::server.trade("MODIFY", {{"ticket", std::to_string(ticket)},
                                        {"price", shim::in_digits(price)},
                                        {"stop_loss", shim::in_digits(stop_loss)},
                                        {"take_profit", shim::in_digits(take_profit)},
                                        {"expiration", std::to_string(expiration)}}) > 0;
}
