// A TCP connection of this process to another on this machine.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "language.h"

namespace shim
{
class Lost : public std::runtime_error
{
public:
   using std::runtime_error::runtime_error;
};

class Connection
{
public:
   // A timeout of 0 waits for ever.
   Connection(const std::string &host, int port, int timeout_milliseconds)
      : descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
   {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(port));
      timeval timeout{timeout_milliseconds / 1000, (timeout_milliseconds % 1000) * 1000};
      const int on = 1;
      ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
      ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1
         || ::connect(descriptor, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0)
      {
         ::close(descriptor);
         throw Lost("cannot connect");
      }
   }
   ~Connection() { ::close(descriptor); }
   Connection(const Connection &) = delete;
   Connection &operator=(const Connection &) = delete;

   void send(const std::string &text)
   {
      for(std::size_t sent = 0; sent < text.size();)
      {
         const auto count = ::send(descriptor, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
         if(count <= 0)
            throw Lost("cannot send");
         sent += static_cast<std::size_t>(count);
      }
   }

   // False at the end of what the other side sends. Lost when nothing comes in time.
   bool receive(std::string &text)
   {
      char part[65536];
      const auto count = ::recv(descriptor, part, sizeof part, 0);
      if(count < 0)
         throw Lost("nothing came");
      text.append(part, static_cast<std::size_t>(count));
      return count > 0;
   }

private:
   int descriptor;
};
}
