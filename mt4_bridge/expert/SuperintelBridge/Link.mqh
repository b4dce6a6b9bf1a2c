// The one request to the bridge: tell everything, hear what to do.
#ifndef SUPERINTEL_LINK
#define SUPERINTEL_LINK
#include "Commands.mqh"
#include "Snapshot.mqh"

const int PROTOCOL = 1;
const int OK_STATUS = 200;

string bridge_url = "";
string bridge_token = "";
string symbols_told = "";
int    request_timeout = 5000;
string instance_id = "";
long   polls = 0;
string last_trouble = "";

// Say what is wrong once, not five times a second.
void NoteTrouble(string trouble)
{
   if(trouble != last_trouble && trouble != "")
      Print("superintel: ", trouble);
   if(trouble == "" && last_trouble != "")
      Print("superintel: the bridge answers again");
   last_trouble = trouble;
}

// Results that the bridge has not acknowledged, each with the ticket that it names.
string ResultRecords(string &named)
{
   string text = "";
   for(int i = 0; i < ArraySize(entries); i++)
   {
      if(entries[i].acknowledged || entries[i].result == "")
         continue;
      string result = entries[i].result;
      StringReplace(result, "\tend=1", "");
      text += result + "\n";
      int ticket = (int)IntegerOf(result, "ticket");
      if(SelectTicket(ticket) && OrderCloseTime() != 0)
         named += TicketRecord() + "\n";
   }
   return text;
}

string PollBody()
{
   string text = "HELLO";
   text += IntegerField("protocol", PROTOCOL);
   text += Field("terminal", terminal_id);
   text += Field("instance", instance_id);
   text += IntegerField("poll", polls);
   text += Field("expert", "1.0");
   text += "\n";
   text += AccountRecord() + "\n";
   text += ClockRecord() + "\n";
   text += SymbolRecords(symbols_told);
   string named = "";
   string results = ResultRecords(named);
   text += TicketRecords();
   text += named;
   text += results;
   text += "END\n";
   return text;
}

void Acknowledge(string id)
{
   int i = FindEntry(id);
   if(i < 0 || entries[i].acknowledged)
      return;
   entries[i].acknowledged = true;
   if(!entries[i].is_final)
      return;
   string line = "ACK";
   line += Field("id", id);
   WriteJournal(line);
}

// One poll; the command that came with the answer, empty without one. False: no answer.
bool Poll(string &command)
{
   command = "";
   polls++;
   string headers = "Content-Type: text/plain; charset=utf-8\r\nAuthorization: Bearer ";
   headers += bridge_token;
   headers += "\r\n";
   LIST(char, body);
   LIST(char, answer);
   string answer_headers = "";
   BytesOf(PollBody(), body);
   uint asked_at = GetTickCount();
   ResetLastError();
   int status = WebRequest("POST", bridge_url + "/terminal/poll", headers, request_timeout, body,
                           answer, answer_headers);
   if(status < 0)
   {
      NoteTrouble("no answer from " + bridge_url + ", error " + IntegerToString(GetLastError())
                  + " (4060: the address is not allowed under Options, Expert Advisors)");
      return false;
   }
   LIST(string, lines);
   int count = StringSplit(TextOfBytes(answer), '\n', lines);
   // What follows the last separator may be an empty element, or none.
   int last = count - 1;
   if(last > 0 && lines[last] == "")
      last--;
   if(status != OK_STATUS || last < 1 || lines[last] != "END" || KindOf(lines[0]) != "OK")
   {
      NoteTrouble("the bridge answered " + IntegerToString(status) + " "
                  + (count > 0 ? lines[0] : ""));
      return false;
   }
   NoteTrouble("");
   HearBridge(IntegerOf(lines[0], "now"), asked_at);
   for(int i = 1; i < last; i++)
   {
      string kind = KindOf(lines[i]);
      if(kind == "ACK")
         Acknowledge(TextOf(lines[i], "id"));
      else if(kind == "HISTORY")
         NoteTaken(IntegerOf(lines[i], "from_server"));
      else if(kind == "COMMAND")
         command = lines[i];
   }
   return true;
}

#endif
