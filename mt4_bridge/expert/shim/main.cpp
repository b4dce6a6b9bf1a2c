// Builds the expert with a C++ compiler and runs it as the terminal would: OnInit, timers, OnDeinit.
//
//   expert --trade-port PORT --folder FOLDER [--clock-skew SECONDS] [--split short]
//          [--input NAME=VALUE]...
//
// The token comes from the environment variable EXPERT_TOKEN. FOLDER stands for MQL4/Files.
#include <csignal>
#include <utility>

#include "files.h"
#include "language.h"
#include "market.h"
#include "web.h"

#define input static
#include "../SuperintelBridge.mq4"
#undef input

namespace
{
void stop(int) { shim::stopped = true; }

bool set_input(const std::string &text)
{
   const auto equals = text.find('=');
   const auto name = text.substr(0, equals);
   const string value = text.substr(equals + 1);
   const std::map<std::string, int *> numbers{
      {"PollMilliseconds", &PollMilliseconds},   {"RequestTimeout", &RequestTimeout},
      {"MaxTries", &MaxTries},                   {"RetryMilliseconds", &RetryMilliseconds},
      {"ServerOffsetMinutes", &ServerOffsetMinutes}};
   const std::map<std::string, string *> texts{
      {"BridgeUrl", &BridgeUrl}, {"Symbols", &Symbols}, {"JournalFile", &JournalFile}};
   if(numbers.count(name) != 0)
      *numbers.at(name) = static_cast<int>(StringToInteger(value));
   else if(texts.count(name) != 0)
      *texts.at(name) = value;
   else if(name == "LookSeconds")
      LookSeconds = StringToDouble(value);
   else if(name == "AllowRealAccount")
      AllowRealAccount = (value == "1");
   else
      return false;
   return true;
}

bool read_arguments(const std::vector<std::string> &arguments)
{
   for(std::size_t i = 0; i + 1 < arguments.size(); i += 2)
   {
      const auto &name = arguments[i], &value = arguments[i + 1];
      if(name == "--trade-port")
         shim::server.port = std::atoi(value.c_str());
      else if(name == "--folder")
         shim::folder = value;
      else if(name == "--clock-skew")
         shim::clock_skew = std::atoll(value.c_str());
      else if(name == "--split")
         shim::splits_short = (value == "short");
      else if(name != "--input" || !set_input(value))
         return false;
   }
   return arguments.size() % 2 == 0 && shim::server.port != 0 && !shim::folder.empty();
}
}

int main(int count, char **values)
{
   if(!read_arguments({values + 1, values + count}))
   {
      Print("expert --trade-port PORT --folder FOLDER [--clock-skew SECONDS] [--input NAME=VALUE]...");
      return 2;
   }
   if(const char *token = std::getenv("EXPERT_TOKEN"))
      Token = string(token);
   std::signal(SIGTERM, stop);
   std::signal(SIGINT, stop);
   shim::server.refresh();
   if(OnInit() != INIT_SUCCEEDED)
      return 1;
   // Whoever started it may be killed, and nobody is left to end it.
   const auto parent = ::getppid();
   while(!IsStopped() && ::getppid() == parent)
   {
      OnTimer();
      Sleep(PollMilliseconds);
   }
   OnDeinit(0);
   return 0;
}
