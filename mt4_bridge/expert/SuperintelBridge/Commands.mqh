// Commands: run once, never again; after any doubt, look.
#ifndef SUPERINTEL_COMMANDS
#define SUPERINTEL_COMMANDS
#include "Journal.mqh"
#include "Trading.mqh"

long look_milliseconds = 60000;
bool allow_real_account = false;

// So many times LookSeconds is looked for what may have been sent.
const int LONG_LOOK = 10;

// IsTradeAllowed is false for a busy context, too, and that passes.
bool MayTrade()
{
   return (IsTradeAllowed() || IsTradeContextBusy()) && IsExpertEnabled()
      && (allow_real_account || IsDemo());
}

// Settle or doubt an entry. What is final goes to the journal before anybody hears of it.
void Report(int i, string outcome, string sent, int ticket, string code, string kind, string reason,
            int is_protected)
{
   string record = "RESULT";
   record += Field("id", entries[i].id);
   record += Field("outcome", outcome);
   record += Field("sent", sent);
   if(ticket > 0)
      record += IntegerField("ticket", ticket);
   if(code != "")
      record += Field("code", code);
   if(kind != "")
      record += Field("class", kind);
   if(reason != "")
      record += Field("reason", reason);
   if(is_protected >= 0)
      record += IntegerField("protected", is_protected);
   record += IntegerField("at", NowMilliseconds());
   if(entries[i].result != record)
      entries[i].acknowledged = false;
   entries[i].result = record;
   entries[i].is_final = (outcome != "UNKNOWN");
   if(entries[i].at == 0)
      entries[i].at = NowMilliseconds();
   if(entries[i].is_final && !WriteJournal(record))
      Print("superintel: the journal cannot be written; ", entries[i].id, " is only in memory");
   Print("superintel: ", entries[i].id, " ", outcome, " ", code, " ", reason);
}

void ReportDone(int i, int ticket)
{
   Report(i, "DONE", "YES", ticket, "", "", "", -1);
}

// It never left the terminal.
void ReportRefusal(int i, string code, string reason)
{
   Report(i, "FAILED", "NO", 0, code, "FINAL", reason, -1);
}

// Told once: the bridge knows that this terminal goes on looking.
void ReportDoubt(int i, string code, string reason)
{
   if(entries[i].result == "")
      Report(i, "UNKNOWN", "MAYBE", 0, code, "UNKNOWN", reason, -1);
}

// The answer to a send that leaves its outcome open: the look begins with it.
void DoubtSend(int i, string code)
{
   entries[i].looking_since = GetTickCount();
   ReportDoubt(i, code, "the trade server did not say what became of it");
}

// What a call that was not done means for its command.
void ReportError(int i, int error)
{
   string code = IntegerToString(error);
   ErrorClass kind = ClassOf(error);
   if(kind == ERROR_UNKNOWN)
      DoubtSend(i, code);
   else if(NeverLeft(error))
      ReportRefusal(i, code, "the terminal refused it");
   else
      Report(i, "FAILED", "YES", 0, code, ClassName(kind), "the trade server refused it", -1);
}

// True when whatever was sent must have shown by now, were it there. A call may block for long
// before it answers, so the answer counts; where a kill came before it, the start after that. The
// ticks of the computer count: a clock that is set forward would end the look at once.
bool IsAbsenceProven(int i)
{
   uint looked = GetTickCount() - entries[i].looking_since;
   return (long)looked > look_milliseconds * LONG_LOOK && ConnectedMilliseconds() > look_milliseconds;
}

void ReportAbsence(int i)
{
   if(IsAbsenceProven(i))
      Report(i, "FAILED", "YES", 0, "absent", "FINAL", "looked for it long enough: it is not there", -1);
   else
      ReportDoubt(i, "unseen", "sent, and not seen yet");
}

// A PLACE is there: see to its stops, then say so.
void FinishPlaced(int i, int ticket)
{
   string command = entries[i].command;
   double stop_loss = NumberOf(command, "stop_loss");
   double take_profit = NumberOf(command, "take_profit");
   if(stop_loss <= 0.0 && take_profit <= 0.0)
   {
      ReportDone(i, ticket);
      return;
   }
   int error = Protect(FollowTicket(ticket), entries[i].id, stop_loss, take_profit,
                       IntegerOf(command, "valid_until"));
   if(error == 0)
      Report(i, "DONE", "YES", ticket, "", "", "", 1);
   else
      Report(i, "DONE", "YES", ticket, IntegerToString(error), ClassName(ClassOf(error)),
             "placed, but its stop loss and take profit could not be set", 0);
}

// The ticket that a CLOSE or MODIFY is about, as it is now; 0 without one.
int TargetOf(string command)
{
   int ticket = (int)IntegerOf(command, "ticket");
   if(ticket == 0 && HasField(command, "order"))
      ticket = FindPlaced(TextOf(command, "order"), (int)IntegerOf(command, "order_magic"), "");
   ticket = FollowTicket(ticket);
   bool pending = (TextOf(command, "target") == "PENDING" || HasField(command, "price"));
   if(!pending || !SelectTicket(ticket) || OrderCloseTime() == 0)
      return ticket;
   int other = FindOpen((int)IntegerOf(command, "order_magic"), true);
   return other > 0 ? other : ticket;
}

bool HasWanted(string command, string name, double value)
{
   return !HasField(command, name) || IsSamePrice(NumberOf(command, name), value);
}

// The selected order is already as a MODIFY wants it.
bool IsModified(string command)
{
   if(!HasWanted(command, "price", OrderOpenPrice()))
      return false;
   if(!HasWanted(command, "stop_loss", OrderStopLoss()))
      return false;
   if(!HasWanted(command, "take_profit", OrderTakeProfit()))
      return false;
   return !HasField(command, "expires")
      || (offset_known && OrderExpiration() == ServerTime(IntegerOf(command, "expires")));
}

void LookForPlaced(int i)
{
   string command = entries[i].command;
   int ticket = FindPlaced(entries[i].id, (int)IntegerOf(command, "magic"), TextOf(command, "symbol"));
   if(ticket > 0)
      FinishPlaced(i, ticket);
   else
      ReportAbsence(i);
}

// Another command of ours is known to have closed that ticket.
bool IsClosedByAnother(int i, int ticket)
{
   for(int j = 0; j < ArraySize(entries); j++)
      if(j != i && entries[j].is_final && entries[j].ticket_sent == ticket
         && TextOf(entries[j].command, "kind") == "CLOSE"
         && TextOf(entries[j].result, "outcome") == "DONE")
         return true;
   return false;
}

// Only one request at a time leaves this terminal, so a ticket that is closed in the lots that were
// sent was closed by what was sent, unless another did it, or the server says that a stop did.
void LookForClosed(int i)
{
   string command = entries[i].command;
   bool pending = (TextOf(command, "target") == "PENDING");
   int ticket = entries[i].ticket_sent;
   if(entries[i].look_only && ticket == 0)
      ticket = (int)IntegerOf(command, "ticket");
   if(!SelectTicket(ticket))
   {
      ReportDoubt(i, "unseen", "the ticket is not in the terminal's lists");
      return;
   }
   if(OrderCloseTime() == 0)
   {
      if(pending && OrderType() <= OP_SELL)
         Report(i, "FAILED", "YES", 0, "filled", "FINAL", "it became a position", -1);
      else
         ReportAbsence(i);
      return;
   }
   if(entries[i].look_only)
   {
      ReportDoubt(i, "unattributed", "the ticket is closed, and this journal does not know by whom");
      return;
   }
   if(pending)
   {
      if(OrderType() > OP_SELL && TicketIn(OrderComment(), "to #") == 0)
         ReportDone(i, ticket);
      else
         Report(i, "FAILED", "YES", 0, "filled", "FINAL", "it became a position", -1);
      return;
   }
   if(IsClosedByServer(OrderComment()) || !IsSamePrice(OrderLots(), entries[i].lots_sent)
      || IsClosedByAnother(i, ticket))
      Report(i, "FAILED", "YES", 0, "closed", "FINAL", "something else closed the ticket", -1);
   else
      ReportDone(i, ticket);
}

void LookForModified(int i)
{
   string command = entries[i].command;
   int ticket = entries[i].ticket_sent;
   if(ticket == 0)
      ticket = TargetOf(command);
   if(!SelectTicket(ticket))
      ReportDoubt(i, "unseen", "the ticket is not in the terminal's lists");
   else if(IsModified(command))
      ReportDone(i, ticket);
   else if(OrderCloseTime() != 0)
      Report(i, "FAILED", "YES", 0, "closed", "FINAL", "the ticket is closed", -1);
   else
      ReportAbsence(i);
}

// Look for what became of an entry that has no outcome.
void Look(int i)
{
   if(!IsConnected())
   {
      ReportDoubt(i, "unseen", "no connection to the trade server");
      return;
   }
   string kind = TextOf(entries[i].command, "kind");
   if(kind == "PLACE")
      LookForPlaced(i);
   else if(kind == "CLOSE")
      LookForClosed(i);
   else if(kind == "MODIFY")
      LookForModified(i);
}

void LookForAll()
{
   for(int i = 0; i < ArraySize(entries); i++)
      if(!entries[i].is_final)
         Look(i);
}

// Write a command down before it is sent. False: it must not be sent.
bool WriteDown(int i, string kind, int ticket, double lots)
{
   string command = entries[i].command;
   entries[i].at = NowMilliseconds();
   entries[i].at_server = (long)TimeCurrent();
   entries[i].ticket_sent = ticket;
   entries[i].lots_sent = lots;
   entries[i].look_only = (kind == "LOOK");
   string line = kind;
   line += IntegerField("at", entries[i].at);
   line += IntegerField("at_server", entries[i].at_server);
   line += IntegerField("ticket_sent", ticket);
   line += NumberField("lots_sent", lots, 8);
   line += StringSubstr(command, StringLen(KindOf(command)), -1);
   if(WriteJournal(line))
   {
      entries[i].command = line;
      return true;
   }
   ReportRefusal(i, "journal", "the journal cannot be written");
   return false;
}

// The parts of a request that every kind of command has.
void Begin(Trade &trade, int i, TradeCall call, int ticket)
{
   string command = entries[i].command;
   trade.call = call;
   trade.id = entries[i].id;
   trade.symbol = TextOf(command, "symbol");
   trade.type = (int)IntegerOf(command, "type");
   trade.ticket = ticket;
   trade.lots = NumberOf(command, "lots");
   trade.price = NumberOf(command, "price");
   trade.stop_loss = NumberOf(command, "stop_loss");
   trade.take_profit = NumberOf(command, "take_profit");
   trade.deviation = (int)IntegerOf(command, "deviation");
   trade.magic = (int)IntegerOf(command, "magic");
   trade.expiration = 0;
   trade.valid_until = IntegerOf(command, "valid_until");
   trade.done = false;
   trade.error = 0;
}

void RunPlace(int i)
{
   string command = entries[i].command;
   Trade trade;
   Begin(trade, i, CALL_SEND, 0);
   if(HasField(command, "expires"))
      trade.expiration = ServerTime(IntegerOf(command, "expires"));
   if(!SymbolSelect(trade.symbol, true))
   {
      ReportRefusal(i, "4106", "the terminal does not know that symbol");
      return;
   }
   int digits = (int)MarketInfo(trade.symbol, MODE_DIGITS);
   if(MarketInfo(trade.symbol, MODE_LOTSIZE) <= 0.0)
   {
      // MarketInfo gives 0 for everything until a symbol is loaded: a price of 0 digits is another.
      ReportRefusal(i, "not_loaded", "the terminal has not loaded that symbol yet");
      return;
   }
   int placed = FindPlaced(trade.id, trade.magic, trade.symbol);
   if(!WriteDown(i, "SEND", 0, trade.lots))
      return;
   if(placed > 0)
   {
      FinishPlaced(i, placed);
      return;
   }
   trade.price = NormalizeDouble(trade.price, digits);
   trade.lots = NormalizeDouble(trade.lots, 8);
   Call(trade);
   if(trade.done)
      FinishPlaced(i, trade.ticket);
   else
      ReportError(i, trade.error);
}

void RunClose(int i)
{
   string command = entries[i].command;
   bool pending = (TextOf(command, "target") == "PENDING");
   int ticket = TargetOf(command);
   if(!SelectTicket(ticket))
   {
      ReportRefusal(i, "unknown_ticket", "there is no such ticket");
      return;
   }
   if(OrderCloseTime() != 0)
   {
      ReportRefusal(i, "closed", "the ticket is closed");
      return;
   }
   if(pending != (OrderType() > OP_SELL))
   {
      ReportRefusal(i, pending ? "filled" : "pending",
                    pending ? "it became a position" : "it is a pending order");
      return;
   }
   Trade trade;
   Begin(trade, i, pending ? CALL_DELETE : CALL_CLOSE, ticket);
   trade.symbol = OrderSymbol();
   trade.type = OrderType();
   if(trade.lots <= 0.0)
      trade.lots = OrderLots();
   trade.lots = NormalizeDouble(trade.lots, 8);
   if(trade.lots > OrderLots() + 0.00000001)
   {
      ReportRefusal(i, "lots", "more lots than the ticket has");
      return;
   }
   if(!WriteDown(i, "SEND", ticket, trade.lots))
      return;
   Call(trade);
   if(trade.done)
      ReportDone(i, ticket);
   else
      ReportError(i, trade.error);
}

void RunModify(int i)
{
   string command = entries[i].command;
   int ticket = TargetOf(command);
   if(!SelectTicket(ticket))
   {
      ReportRefusal(i, "unknown_ticket", "there is no such ticket");
      return;
   }
   if(OrderCloseTime() != 0)
   {
      ReportRefusal(i, "closed", "the ticket is closed");
      return;
   }
   if(OrderType() <= OP_SELL && (HasField(command, "price") || HasField(command, "expires")))
   {
      ReportRefusal(i, "filled", "a position has neither price nor end to change");
      return;
   }
   Trade trade;
   Begin(trade, i, CALL_MODIFY, ticket);
   trade.symbol = OrderSymbol();
   trade.type = OrderType();
   trade.expiration = OrderExpiration();
   if(!HasField(command, "price"))
      trade.price = OrderOpenPrice();
   if(!HasField(command, "stop_loss"))
      trade.stop_loss = OrderStopLoss();
   if(!HasField(command, "take_profit"))
      trade.take_profit = OrderTakeProfit();
   if(HasField(command, "expires"))
      trade.expiration = ServerTime(IntegerOf(command, "expires"));
   if(!WriteDown(i, "SEND", ticket, OrderLots()))
      return;
   if(SelectTicket(ticket) && IsModified(command))
   {
      ReportDone(i, ticket);
      return;
   }
   Call(trade);
   if(trade.done)
      ReportDone(i, ticket);
   else
      ReportError(i, trade.error);
}

// A command with an id that is in the journal: say again what is known, send nothing.
void Repeat(int i)
{
   if(entries[i].is_final || entries[i].result != "")
      entries[i].acknowledged = false;
   else
      Look(i);
}

// Take a command from the bridge.
void Execute(string command)
{
   string id = TextOf(command, "id");
   int i = FindEntry(id);
   if(i >= 0)
   {
      Repeat(i);
      return;
   }
   i = AddEntry(id, command);
   string kind = TextOf(command, "kind");
   if(TextOf(command, "mode") != "RUN")
   {
      if(TextOf(command, "leased_to") == terminal_id)
         ReportRefusal(i, "too_late", "it was never sent, and its time is over");
      else if(WriteDown(i, "LOOK", 0, 0.0))
         Look(i);
   }
   else if(NowMilliseconds() > IntegerOf(command, "valid_until"))
      ReportRefusal(i, "too_late", "its time was over when it came");
   else if(!IsConnected())
      ReportRefusal(i, "6", "no connection to the trade server");
   else if(!MayTrade())
      ReportRefusal(i, "4109", "trading is not allowed here");
   else if(HasField(command, "expires") && !offset_known)
      ReportRefusal(i, "server_clock", "the trade server's clock is not known yet");
   else if(kind == "PLACE")
      RunPlace(i);
   else if(kind == "CLOSE")
      RunClose(i);
   else if(kind == "MODIFY")
      RunModify(i);
   else
      ReportRefusal(i, "unsupported", "this expert does not know that kind of command");
}

#endif
