// The terminal's side of the MT4 bridge: asks it for commands, executes each once, reports.
// See ../PROTOCOL.md, and README.md for how to install it.
#ifdef __MQL4__
#property strict
#property version "1.0"
#property description "Executes the commands of the Superintel MT4 bridge."
#endif

#include "SuperintelBridge/Link.mqh"

const int AUTOMATIC = -100000;

input string BridgeUrl = "http://127.0.0.1:8005";  // address of the bridge, allowed in the options
input string Token = "";                           // the terminal's token (MT4_TERMINAL_TOKEN)
input string Symbols = "";                         // symbols to tell of, or empty: the Market Watch
input int    PollMilliseconds = 200;               // how often to ask
input int    RequestTimeout = 5000;                // how long to wait for the bridge, milliseconds
input double LookSeconds = 60;                     // ten times that is looked for what may have been sent
input int    MaxTries = 10;                        // of a request that is refused for the moment
input int    RetryMilliseconds = 300;              // between them
input int    ServerOffsetMinutes = -100000;        // server's clock ahead of UTC; -100000: measure it
input bool   AllowRealAccount = false;             // trade on an account that is not a demo
input string JournalFile = "superintel-bridge.journal";

// So many timers pass between two looks at whether the journal is worth compacting.
const int COMPACT_EVERY = 250;
long timers = 0;

// Commands taken in one go; then the terminal gets its thread back.
const int IN_ONE_GO = 50;

string FreshId()
{
   MathSrand((int)GetTickCount());
   string id = IntegerToString(AccountNumber());
   id += "-";
   id += IntegerToString((long)TimeLocal());
   id += "-";
   id += IntegerToString((long)GetTickCount());
   id += "-";
   id += IntegerToString(MathRand());
   return id;
}

int OnInit()
{
   bridge_url = BridgeUrl;
   bridge_token = Token;
   symbols_told = Symbols;
   request_timeout = RequestTimeout;
   look_milliseconds = (long)(LookSeconds * 1000);
   max_tries = MaxTries;
   retry_milliseconds = RetryMilliseconds;
   allow_real_account = AllowRealAccount;
   instance_id = FreshId();
   Comment("");  // of one that was ended in the middle of a call
   if(!OpenJournal(JournalFile, FreshId(), (long)TimeGMT() * 1000))
   {
      Print("superintel: ", JournalFile, " cannot be opened: does the expert run on another chart?");
      return INIT_FAILED;
   }
   if(!EventSetMillisecondTimer(PollMilliseconds))
      return INIT_FAILED;
   return INIT_SUCCEEDED;
}

void OnDeinit(const int reason)
{
   Print("superintel: ends, reason ", reason);
   EventKillTimer();
   Comment("");
   CloseJournal();
}

// Ask, execute, report, until there is nothing more to do.
void OnTimer()
{
   timers++;
   if(!KeepJournal((long)TimeGMT() * 1000, timers % COMPACT_EVERY == 0))
   {
      NoteTrouble("the journal cannot be opened: nothing is asked for and nothing sent");
      return;
   }
   for(int i = 0; i < IN_ONE_GO && !IsStopped(); i++)
   {
      RefreshRates();
      if(AccountNumber() == 0)
         return;  // not logged in yet
      MeasureOffset(ServerOffsetMinutes, ServerOffsetMinutes != AUTOMATIC);
      NoteConnection();
      LookForAll();
      string command = "";
      if(!Poll(command) || command == "")
         return;
      Execute(command);
   }
}
