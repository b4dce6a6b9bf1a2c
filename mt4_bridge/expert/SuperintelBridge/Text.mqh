// Records of the protocol: TAB-separated fields "name=value", values percent-escaped.
#ifndef SUPERINTEL_TEXT
#define SUPERINTEL_TEXT
#include "Portable.mqh"

// A value as it stands in a record.
string Escape(string value)
{
   StringReplace(value, "%", "%25");
   StringReplace(value, "\t", "%09");
   StringReplace(value, "\n", "%0A");
   StringReplace(value, "\r", "%0D");
   return value;
}

// What Escape was given. %25 comes last, or it would make new codes.
string Unescape(string value)
{
   StringReplace(value, "%09", "\t");
   StringReplace(value, "%0A", "\n");
   StringReplace(value, "%0D", "\r");
   StringReplace(value, "%25", "%");
   return value;
}

// One field with the TAB before it.
string Field(string name, string value)
{
   string text = "\t";
   text += name;
   text += "=";
   text += Escape(value);
   return text;
}

string IntegerField(string name, long value)
{
   return Field(name, IntegerToString(value));
}

string FlagField(string name, bool value)
{
   return Field(name, value ? "1" : "0");
}

string NumberField(string name, double value, int digits)
{
   return Field(name, DoubleToString(value, digits));
}

// The kind of a record: what stands before its first TAB.
string KindOf(string record)
{
   int end = StringFind(record, "\t", 0);
   if(end < 0)
      return record;
   return StringSubstr(record, 0, end);
}

// Where the value of a field begins, or -1.
int ValueStart(string record, string name)
{
   string label = "\t";
   label += name;
   label += "=";
   int at = StringFind(record, label, 0);
   if(at < 0)
      return -1;
   return at + StringLen(label);
}

bool HasField(string record, string name)
{
   return ValueStart(record, name) >= 0;
}

// The value of a field, empty without one.
string TextOf(string record, string name)
{
   int start = ValueStart(record, name);
   if(start < 0)
      return "";
   int end = StringFind(record, "\t", start);
   if(end < 0)
      end = StringLen(record);
   if(end == start)
      return "";
   return Unescape(StringSubstr(record, start, end - start));
}

long IntegerOf(string record, string name)
{
   return StringToInteger(TextOf(record, name));
}

double NumberOf(string record, string name)
{
   return StringToDouble(TextOf(record, name));
}

// The bytes of a request in UTF-8, without a zero at their end. StringToCharArray fills uchar[], and
// WebRequest takes char[] (MQL4 Reference, read in November 2026).
void BytesOf(string text, LIST_OF(char, bytes))
{
   LIST(uchar, encoded);
   int count = StringToCharArray(text, encoded, 0, WHOLE_ARRAY, CP_UTF8);
   if(count > 0 && encoded[count - 1] == 0)
      count--;
   ArrayResize(bytes, count);
   for(int i = 0; i < count; i++)
      bytes[i] = (char)encoded[i];
}

// The text of an answer in UTF-8.
string TextOfBytes(LIST_OF(char, bytes))
{
   int count = ArraySize(bytes);
   if(count == 0)
      return "";
   LIST(uchar, encoded);
   ArrayResize(encoded, count);
   for(int i = 0; i < count; i++)
      encoded[i] = (uchar)bytes[i];
   return CharArrayToString(encoded, 0, count, CP_UTF8);
}

// The ticket in a comment behind such words ("to #", "from #"); 0 without one.
int TicketIn(string comment, string words)
{
   int at = StringFind(comment, words, 0);
   if(at < 0)
      return 0;
   return (int)StringToInteger(StringSubstr(comment, at + StringLen(words), -1));
}

#endif
