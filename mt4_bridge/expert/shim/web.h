// WebRequest over HTTP/1.1 to this machine, one connection a request.
#pragma once

#include "files.h"
#include "sockets.h"

namespace shim
{
struct Url
{
   std::string host;
   int port = 80;
   std::string path;
};

inline Url parse_url(const std::string &text)
{
   Url url;
   const std::string scheme = "http://";
   const auto slash = text.find('/', scheme.size());
   const auto authority = text.substr(scheme.size(), slash - scheme.size());
   const auto colon = authority.find(':');
   url.host = authority.substr(0, colon);
   if(colon != std::string::npos)
      url.port = std::atoi(authority.c_str() + colon + 1);
   url.path = slash == std::string::npos ? "/" : text.substr(slash);
   return url;
}

// The whole answer; Lost when it does not come or is cut short.
inline std::string exchange(const Url &url, const std::string &request, int timeout)
{
   Connection connection(url.host, url.port, timeout);
   connection.send(request);
   std::string answer;
   while(connection.receive(answer))
      continue;
   const auto body = answer.find("\r\n\r\n");
   const auto length = answer.find("content-length: ");
   if(body == std::string::npos || length == std::string::npos
      || answer.size() < body + 4 + std::strtoul(answer.c_str() + length + 16, nullptr, 10))
      throw Lost("cut short");
   return answer;
}
}

inline int WebRequest(const string &method, const string &url_text, const string &headers, int timeout,
                      const List<char> &data, List<char> &result, string &result_headers)
{
   const std::string body(data.items.begin(), data.items.end());
   const bool reports = body.find("\nRESULT\t") != std::string::npos;
   if(reports)
      shim::reach("before_report");
   try
   {
      const auto url = shim::parse_url(url_text);
      const std::string request = method + " " + url.path + " HTTP/1.1\r\nHost: " + url.host
         + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers
         + "\r\n" + body;
      const auto answer = shim::exchange(url, request, timeout);
      const auto split = answer.find("\r\n\r\n");
      result_headers = answer.substr(0, split);
      result.items.assign(answer.begin() + static_cast<std::ptrdiff_t>(split) + 4, answer.end());
      if(reports)
         shim::reach("after_report");
      if(answer.find("\nCOMMAND\t") != std::string::npos)
         shim::reach("after_command");
      return std::atoi(answer.c_str() + std::strlen("HTTP/1.1 "));
   }
   catch(const shim::Lost &)
   {
      shim::last_error = 5203;
      return -1;
   }
}
