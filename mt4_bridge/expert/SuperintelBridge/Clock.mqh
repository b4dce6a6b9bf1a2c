// Three clocks: the computer's, the trade server's, the bridge's. MQL4 knows no UTC but the
// computer's, and the server keeps a time of its own (UTC+2 or UTC+3 as a rule).
#ifndef SUPERINTEL_CLOCK
#define SUPERINTEL_CLOCK

// Zones are whole half hours; a computer's clock that is wrong by more than this says nothing.
const int HALF_HOUR = 1800;
const int WORST_CLOCK_ERROR = 300;

bool     offset_known = false;
int      server_offset = 0;     // seconds that the server is ahead of UTC
datetime server_seen = 0;       // the server's time when it was last looked at
bool     bridge_heard = false;
long     bridge_now = 0;        // milliseconds, as the bridge said last
uint     bridge_tick = 0;       // GetTickCount when that request began
bool     was_connected = false;
uint     connected_tick = 0;    // GetTickCount when the connection was last seen to begin

// The server's clock is that of its last price, so it counts only when it is seen to move.
void MeasureOffset(int fixed_minutes, bool is_fixed)
{
   if(is_fixed)
   {
      server_offset = fixed_minutes * 60;
      offset_known = true;
      return;
   }
   datetime server = TimeCurrent();
   if(server_seen > 0 && server > server_seen)
   {
      long difference = (long)server - (long)TimeGMT();
      int rounded = (int)MathRound((double)difference / HALF_HOUR) * HALF_HOUR;
      if(MathAbs((double)(difference - rounded)) <= WORST_CLOCK_ERROR)
      {
         server_offset = rounded;
         offset_known = true;
      }
   }
   server_seen = server;
}

void HearBridge(long now, uint asked_at)
{
   bridge_now = now;
   bridge_tick = asked_at;
   bridge_heard = true;
}

// The latest of the clocks, milliseconds UTC: an order must rather be refused than be late.
long NowMilliseconds()
{
   long now = (long)TimeGMT() * 1000;
   if(offset_known)
   {
      long server = ((long)TimeCurrent() - server_offset) * 1000;
      if(server > now)
         now = server;
   }
   if(bridge_heard)
   {
      uint since = GetTickCount() - bridge_tick;
      long bridge = bridge_now + (long)since;
      if(bridge > now)
         now = bridge;
   }
   return now;
}

// UTC milliseconds as the server's time.
datetime ServerTime(long milliseconds)
{
   return (datetime)(milliseconds / 1000 + server_offset);
}

void NoteConnection()
{
   bool connected = IsConnected();
   if(connected && !was_connected)
      connected_tick = GetTickCount();
   was_connected = connected;
}

// How long the terminal has been connected without a break; its lists are true only then.
long ConnectedMilliseconds()
{
   if(!was_connected)
      return 0;
   uint since = GetTickCount() - connected_tick;
   return (long)since;
}

#endif
