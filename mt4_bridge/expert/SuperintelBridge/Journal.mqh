// The journal: what is about to be sent is in this file, flushed, before OrderSend is called.
//
//   JOURNAL  id                                    the first line; the terminal's name
//   SEND     at, at_server, ticket_sent, lots_sent, then the command's own fields
//   LOOK     at, then the command's own fields     a command of another journal: never to be sent
//   RESULT   as it is reported
//   ACK      id                                    the bridge has it
//
// Every line ends with the field end=1; one without it was cut short by a kill and never counted.
#ifndef SUPERINTEL_JOURNAL
#define SUPERINTEL_JOURNAL
#include "Text.mqh"

struct Entry
{
   string id;
   string command;       // its COMMAND as the bridge wrote it, or its line once it is written down
   long   at;            // when it was written down, milliseconds UTC
   long   at_server;     // the same on the server's clock, seconds
   int    ticket_sent;   // what a close or modify was aimed at
   double lots_sent;
   bool   look_only;
   uint   looking_since; // GetTickCount of the answer that left it open, or of this start
   string result;        // the RESULT, empty while there is none
   bool   is_final;      // DONE or FAILED
   bool   acknowledged;
};

LIST(Entry, entries);
int    journal_handle = INVALID_HANDLE;
string journal_name = "";
string terminal_id = "";

const long KEPT_MILLISECONDS = 172800000;  // two days
const int  WORTH_COMPACTING = 1000;
const int  ENTRIES_IN_RESERVE = 500;

int FindEntry(string id)
{
   for(int i = ArraySize(entries) - 1; i >= 0; i--)
      if(entries[i].id == id)
         return i;
   return -1;
}

int AddEntry(string id, string command)
{
   int size = ArraySize(entries);
   ArrayResize(entries, size + 1, ENTRIES_IN_RESERVE);
   entries[size].id = id;
   entries[size].command = command;
   entries[size].at = 0;
   entries[size].at_server = 0;
   entries[size].ticket_sent = 0;
   entries[size].lots_sent = 0;
   entries[size].look_only = false;
   entries[size].looking_since = GetTickCount();
   entries[size].result = "";
   entries[size].is_final = false;
   entries[size].acknowledged = false;
   return size;
}

void ReadJournalLine(string line)
{
   if(!HasField(line, "end"))
      return;
   string kind = KindOf(line);
   string id = TextOf(line, "id");
   if(kind == "JOURNAL")
   {
      terminal_id = id;
      return;
   }
   int at = FindEntry(id);
   if(kind == "SEND" || kind == "LOOK")
   {
      if(at < 0)
         at = AddEntry(id, line);
      entries[at].command = line;
      entries[at].at = IntegerOf(line, "at");
      entries[at].at_server = IntegerOf(line, "at_server");
      entries[at].ticket_sent = (int)IntegerOf(line, "ticket_sent");
      entries[at].lots_sent = NumberOf(line, "lots_sent");
      entries[at].look_only = (kind == "LOOK");
   }
   if(kind == "RESULT")
   {
      if(at < 0)
         at = AddEntry(id, "");
      entries[at].result = line;
      entries[at].is_final = true;
      if(entries[at].at == 0)
         entries[at].at = IntegerOf(line, "at");
   }
   if(kind == "ACK" && at >= 0)
      entries[at].acknowledged = true;
}

// Write one line and flush it. False: it is not certain to be in the file.
bool WriteLine(int handle, string line)
{
   string text = line;
   text += "\tend=1\r\n";
   if(FileWriteString(handle, text, StringLen(text)) < (uint)StringLen(text))
      return false;
   FileFlush(handle);
   return true;
}

bool WriteJournal(string line)
{
   return WriteLine(journal_handle, line);
}

bool IsKept(int i, long now)
{
   return !entries[i].acknowledged || now - entries[i].at < KEPT_MILLISECONDS;
}

// Take over what a compaction that was broken off had finished writing. False: it cannot be, and the
// journal must not be begun anew in its place.
bool FinishCompaction()
{
   string fresh = journal_name + ".new";
   if(!FileIsExist(fresh, 0))
      return true;
   if(!FileIsExist(journal_name, 0))
      return FileMove(fresh, 0, journal_name, FILE_REWRITE);
   if(!FileDelete(fresh, 0))
      Print("superintel: ", fresh, " cannot be deleted, error ", GetLastError());
   return true;
}

// Open the file to write at its end. False: another program has it, or it cannot be written.
bool OpenFile()
{
   journal_handle = FileOpen(journal_name, FILE_READ | FILE_WRITE | FILE_TXT | FILE_ANSI);
   return journal_handle != INVALID_HANDLE;
}

bool GoToEnd()
{
   FileSeek(journal_handle, 0, SEEK_END);
   // A line that was cut short must not run into the next one.
   FileWriteString(journal_handle, "\r\n", 2);
   return true;
}

bool ReadJournal()
{
   if(!OpenFile())
      return false;
   while(!FileIsEnding(journal_handle))
   {
      string line = FileReadString(journal_handle);
      StringReplace(line, "\r", "");
      ReadJournalLine(line);
   }
   return GoToEnd();
}

bool WriteEntry(int handle, int i)
{
   bool written = true;
   string kind = KindOf(entries[i].command);
   if(kind == "SEND" || kind == "LOOK")  // what was refused was never written down
   {
      string command = entries[i].command;
      StringReplace(command, "\tend=1", "");
      written = WriteLine(handle, command);
   }
   if(entries[i].is_final && written)
   {
      string result = entries[i].result;
      StringReplace(result, "\tend=1", "");
      written = WriteLine(handle, result);
   }
   if(entries[i].acknowledged && written)
   {
      string done = "ACK";
      done += Field("id", entries[i].id);
      written = WriteLine(handle, done);
   }
   return written;
}

// Write what is kept to another file. False: it is not whole.
bool WriteKept(string name, long now)
{
   int handle = FileOpen(name, FILE_WRITE | FILE_TXT | FILE_ANSI);
   if(handle == INVALID_HANDLE)
      return false;
   string head = "JOURNAL";
   head += Field("id", terminal_id);
   bool written = WriteLine(handle, head);
   for(int i = 0; i < ArraySize(entries) && written; i++)
      if(IsKept(i, now))
         written = WriteEntry(handle, i);
   FileClose(handle);
   return written;
}

void DropEntries(long now)
{
   int kept = 0;
   for(int i = 0; i < ArraySize(entries); i++)
   {
      if(!IsKept(i, now))
         continue;
      if(kept != i)
         entries[kept] = entries[i];
      kept++;
   }
   ArrayResize(entries, kept, ENTRIES_IN_RESERVE);
}

// Drop what the bridge has had for days. The old file stays until the new one is whole, and the new
// one until it has the old one's name. False: there is no journal to write to.
bool CompactJournal(long now)
{
   int dropped = 0;
   for(int i = 0; i < ArraySize(entries); i++)
      if(!IsKept(i, now))
         dropped++;
   if(dropped < WORTH_COMPACTING)
      return true;
   string fresh = journal_name + ".part";
   if(!WriteKept(fresh, now) || !FileMove(fresh, 0, journal_name + ".new", FILE_REWRITE))
   {
      Print("superintel: the journal is not compacted, error ", GetLastError());
      return true;
   }
   FileClose(journal_handle);
   journal_handle = INVALID_HANDLE;
   if(!FileDelete(journal_name, 0))
      Print("superintel: ", journal_name, " cannot be deleted, error ", GetLastError());
   else
      DropEntries(now);
   if(!FinishCompaction() || !OpenFile())
   {
      Print("superintel: ", journal_name, " cannot be opened again, error ", GetLastError());
      return false;
   }
   return GoToEnd();
}

// True while there is a journal to write to; without one nothing may be sent, and nothing is asked.
bool KeepJournal(long now, bool compacts)
{
   if(journal_handle == INVALID_HANDLE)
      return FinishCompaction() && OpenFile() && GoToEnd();
   return !compacts || CompactJournal(now);
}

// Read the journal, or begin one. False: another expert has it, or it cannot be written.
bool OpenJournal(string name, string fresh_id, long now)
{
   journal_name = name;
   if(!FinishCompaction() || !ReadJournal())
      return false;
   if(terminal_id == "")
   {
      terminal_id = fresh_id;
      string head = "JOURNAL";
      head += Field("id", terminal_id);
      if(!WriteJournal(head))
         return false;
   }
   return CompactJournal(now);
}

void CloseJournal()
{
   if(journal_handle != INVALID_HANDLE)
      FileClose(journal_handle);
   journal_handle = INVALID_HANDLE;
}

#endif
