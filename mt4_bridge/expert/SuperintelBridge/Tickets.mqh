// Finding tickets: by number, through partial closes, and by what a command left on them.
#ifndef SUPERINTEL_TICKETS
#define SUPERINTEL_TICKETS
#include "Text.mqh"

// The server may cut the end of a comment; less than this much of an id is no proof.
const int SHORTEST_COMMENT = 16;
const int LONGEST_CHAIN = 1000;

bool SelectTicket(int ticket)
{
   return ticket > 0 && OrderSelect(ticket, SELECT_BY_TICKET);
}

// The ticket that holds what is left of this one; 0 when it does not exist.
int FollowTicket(int ticket)
{
   for(int i = 0; i < LONGEST_CHAIN; i++)
   {
      if(!SelectTicket(ticket))
         return 0;
      if(OrderCloseTime() == 0)
         return ticket;
      int next = TicketIn(OrderComment(), "to #");
      if(next == 0 || next == ticket)
         return ticket;
      if(!SelectTicket(next))
         return ticket;
      ticket = next;
   }
   return ticket;
}

// The first ticket of the chain that this one belongs to, as far back as the terminal knows it.
int FirstTicket(int ticket)
{
   for(int i = 0; i < LONGEST_CHAIN; i++)
   {
      if(!SelectTicket(ticket))
         return ticket;
      int before = TicketIn(OrderComment(), "from #");
      if(before == 0 || before == ticket || !SelectTicket(before))
         return ticket;
      ticket = before;
   }
   return ticket;
}

bool IsCommentOf(string comment, string id)
{
   if(StringFind(comment, id, 0) == 0)
      return true;
   return StringLen(comment) >= SHORTEST_COMMENT && StringFind(id, comment, 0) == 0;
}

// The selected order is what this command placed: by its magic number, which partial closes keep,
// or by its comment where the server has lost the magic number.
bool IsSelectedOf(string id, int magic, string symbol)
{
   if(OrderType() > OP_SELLSTOP)
      return false;
   if(symbol != "" && OrderSymbol() != symbol)
      return false;
   if(magic != 0 && OrderMagicNumber() != 0)
      return OrderMagicNumber() == magic;
   return IsCommentOf(OrderComment(), id);
}

// The first ticket that a PLACE of this id made, open or closed; 0 without one.
int FindPlaced(string id, int magic, string symbol)
{
   for(int i = OrdersTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && IsSelectedOf(id, magic, symbol))
         return FirstTicket(OrderTicket());
   for(int i = OrdersHistoryTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) && IsSelectedOf(id, magic, symbol))
         return FirstTicket(OrderTicket());
   return 0;
}

// An open ticket with that magic number, pending or not; 0 without one. A pending order that fills in
// parts goes on under other tickets.
int FindOpen(int magic, bool pending)
{
   for(int i = 0; i < OrdersTotal() && magic != 0; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && OrderMagicNumber() == magic
         && (OrderType() > OP_SELL) == pending && OrderType() <= OP_SELLSTOP)
         return OrderTicket();
   return 0;
}

// Closed by a stop loss, a take profit or a stop out: the server says so in the comment.
bool IsClosedByServer(string comment)
{
   return StringFind(comment, "[sl]", 0) >= 0 || StringFind(comment, "[tp]", 0) >= 0
      || StringFind(comment, "so:", 0) >= 0;
}

#endif
