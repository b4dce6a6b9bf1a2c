// The part of MQL4's language and library that is no trade: strings, lists, numbers, time, logs.
// Only what the expert uses, with MQL4's names and signatures.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using uchar = unsigned char;
using uint = unsigned int;
using ushort = unsigned short;
using datetime = std::int64_t;
using color = int;

class string : public std::string
{
public:
   using std::string::string;
   string() = default;
   string(const std::string &text) : std::string(text) {}
};

template <typename Item>
class List
{
public:
   Item &operator[](int index) { return items.at(static_cast<std::size_t>(index)); }
   const Item &operator[](int index) const { return items.at(static_cast<std::size_t>(index)); }
   std::vector<Item> items;
};

namespace shim
{
inline int last_error = 0;
inline bool stopped = false;
inline std::int64_t clock_skew = 0;  // seconds that this computer's clock is wrong
inline bool splits_short = false;    // StringSplit gives no empty element behind the last separator
}

const int WHOLE_ARRAY = -1;
const uint CP_UTF8 = 65001;
const color clrNONE = -1;
const int INIT_SUCCEEDED = 0;
const int INIT_FAILED = 1;

template <typename Item>
int ArraySize(const List<Item> &list)
{
   return static_cast<int>(list.items.size());
}

template <typename Item>
int ArrayResize(List<Item> &list, int size, int reserve = 0)
{
   list.items.reserve(static_cast<std::size_t>(size + (size > ArraySize(list) ? reserve : 0)));
   list.items.resize(static_cast<std::size_t>(size));
   return size;
}

inline int StringLen(const string &text) { return static_cast<int>(text.size()); }

inline int StringFind(const string &text, const string &part, int start = 0)
{
   const auto found = text.find(part, static_cast<std::size_t>(start));
   return found == std::string::npos ? -1 : static_cast<int>(found);
}

inline string StringSubstr(const string &text, int start, int length = -1)
{
   if(start < 0 || start > StringLen(text))
      return "";
   const auto count = length < 0 ? std::string::npos : static_cast<std::size_t>(length);
   return string(text.substr(static_cast<std::size_t>(start), count));
}

inline int StringReplace(string &text, const string &part, const string &other)
{
   int count = 0;
   for(auto at = text.find(part); at != std::string::npos; at = text.find(part, at + other.size()))
   {
      text.replace(at, part.size(), other);
      count++;
   }
   return count;
}

inline int StringSplit(const string &text, ushort separator, List<string> &parts)
{
   parts.items.clear();
   std::size_t start = 0;
   for(;;)
   {
      if(shim::splits_short && start > 0 && start == text.size())
         return ArraySize(parts);
      const auto end = text.find(static_cast<char>(separator), start);
      parts.items.emplace_back(text.substr(start, end - start));
      if(end == std::string::npos)
         return ArraySize(parts);
      start = end + 1;
   }
}

inline std::int64_t StringToInteger(const string &text) { return std::strtoll(text.c_str(), nullptr, 10); }
inline double StringToDouble(const string &text) { return std::strtod(text.c_str(), nullptr); }
inline string IntegerToString(std::int64_t value) { return string(std::to_string(value)); }

inline string DoubleToString(double value, int digits)
{
   char text[64];
   std::snprintf(text, sizeof text, "%.*f", digits, value);
   return string(text);
}

// As in MQL4 the zero at the end of the string is copied, too.
inline int StringToCharArray(const string &text, List<uchar> &array, int, int, uint)
{
   array.items.assign(text.begin(), text.end());
   array.items.push_back('\0');
   return ArraySize(array);
}

inline string CharArrayToString(const List<uchar> &array, int start, int count, uint)
{
   const auto first = array.items.begin() + start;
   return string(std::string(first, count < 0 ? array.items.end() : first + count));
}

inline double MathAbs(double value) { return std::fabs(value); }
inline double MathRound(double value) { return std::round(value); }
inline int MathRand() { return std::rand() % 32768; }
inline void MathSrand(int seed) { std::srand(static_cast<unsigned>(seed)); }

inline double NormalizeDouble(double value, int digits)
{
   const double scale = std::pow(10.0, digits);
   return std::round(value * scale) / scale;
}

inline datetime TimeGMT() { return static_cast<datetime>(std::time(nullptr)) + shim::clock_skew; }
inline datetime TimeLocal() { return TimeGMT(); }

inline uint GetTickCount()
{
   using namespace std::chrono;
   return static_cast<uint>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

inline void Sleep(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }
inline int GetLastError() { return std::exchange(shim::last_error, 0); }
inline void ResetLastError() { shim::last_error = 0; }
inline bool IsStopped() { return shim::stopped; }
inline bool EventSetMillisecondTimer(int) { return true; }
inline void EventKillTimer() {}

template <typename... Parts>
void Print(const Parts &...parts)
{
   (std::cerr << ... << parts) << std::endl;
}
