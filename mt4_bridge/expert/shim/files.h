// MQL4's files, in the folder that stands for the terminal's MQL4/Files; and the places to die at.
#pragma once

#include <filesystem>
#include <map>

#include <sys/file.h>
#include <unistd.h>

#include "language.h"

const int INVALID_HANDLE = -1;
const int FILE_READ = 1;
const int FILE_WRITE = 2;
const int FILE_TXT = 16;
const int FILE_ANSI = 32;
const int FILE_REWRITE = 512;

namespace shim
{
inline std::filesystem::path folder;
inline std::map<int, std::FILE *> files;
inline int next_handle = 1;

inline std::filesystem::path path_of(const std::string &name) { return folder / name; }

inline bool is_due(const char *point)
{
   std::error_code ignored;
   return std::filesystem::remove(folder / "crash" / point, ignored);
}

// Die as from a kill -9: nothing is flushed, nothing is told.
[[noreturn]] inline void die() { ::_exit(137); }

// Files in the folder "refused" name what the file system does not do just now.
inline bool is_refused(const std::string &what)
{
   return std::filesystem::exists(folder / "refused" / what);
}

inline void reach(const char *point)
{
   if(is_due(point))
      die();
}
}

// Nobody else may have it open: the flags that share a file are not among those above.
inline int FileOpen(const string &name, int flags)
{
   const auto path = shim::path_of(name);
   const bool reads = (flags & FILE_READ) != 0;
   if(reads && !std::filesystem::exists(path))
      std::fclose(std::fopen(path.c_str(), "a"));
   std::FILE *file = std::fopen(path.c_str(), reads ? "r+b" : "w+b");
   if(file == nullptr)
      return INVALID_HANDLE;
   if(::flock(::fileno(file), LOCK_EX | LOCK_NB) != 0)
   {
      std::fclose(file);
      return INVALID_HANDLE;
   }
   shim::files[shim::next_handle] = file;
   return shim::next_handle++;
}

inline void FileClose(int handle)
{
   std::fclose(shim::files.at(handle));
   shim::files.erase(handle);
}

inline bool FileIsEnding(int handle)
{
   std::FILE *file = shim::files.at(handle);
   const int next = std::fgetc(file);
   if(next == EOF)
      return true;
   std::ungetc(next, file);
   return false;
}

inline string FileReadString(int handle)
{
   string line;
   for(int next = std::fgetc(shim::files.at(handle)); next != EOF && next != '\n';
       next = std::fgetc(shim::files.at(handle)))
      line.push_back(static_cast<char>(next));
   return line;
}

inline uint FileWriteString(int handle, const string &text, int)
{
   if(shim::files.count(handle) == 0)
      return 0;
   std::FILE *file = shim::files.at(handle);
   if(text.rfind("SEND", 0) == 0 && shim::is_due("torn_journal"))
   {
      std::fwrite(text.data(), 1, text.size() / 2, file);
      std::fflush(file);
      shim::die();
   }
   return static_cast<uint>(std::fwrite(text.data(), 1, text.size(), file));
}

inline void FileFlush(int handle) { std::fflush(shim::files.at(handle)); }

inline bool FileSeek(int handle, std::int64_t offset, int origin)
{
   return std::fseek(shim::files.at(handle), static_cast<long>(offset), origin) == 0;
}

inline bool FileIsExist(const string &name, int) { return std::filesystem::exists(shim::path_of(name)); }

inline bool FileDelete(const string &name, int)
{
   return !shim::is_refused("delete " + name) && std::filesystem::remove(shim::path_of(name));
}

inline bool FileMove(const string &from, int, const string &to, int)
{
   if(shim::is_refused("move " + to))
      return false;
   std::error_code error;
   std::filesystem::rename(shim::path_of(from), shim::path_of(to), error);
   return !error;
}
