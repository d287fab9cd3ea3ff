// Memory that tells who reads past its end: it is followed by a page that must not be touched, and filled with NaN.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <list>
#include <string>

namespace emulator {

constexpr int POISON = 0xFF;  // every 16- and 32-bit float of such bytes is NaN, every integer −1

struct Region {
  std::string name;
  char *pages = nullptr, *data = nullptr;
  std::size_t bytes = 0, total = 0;

  Region(const char *name, std::size_t bytes) : name(name), bytes(bytes) {
    std::size_t page = sysconf(_SC_PAGESIZE), used = (bytes + page - 1) / page * page;
    total = used + 2 * page;
    pages = static_cast<char *>(mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(pages + page, used, PROT_READ | PROT_WRITE);
    std::memset(pages + page, POISON, used);
    data = pages + page + used - (bytes + 15) / 16 * 16;  // as near to the last page as 16-byte alignment allows
  }
  ~Region() { munmap(pages, total); }
  Region(const Region &) = delete;
  bool owns(const char *address) const { return address >= pages && address < pages + total; }
  // What lies around the data, as far as it can be written, must still be poison.
  bool intact() const {
    std::size_t page = sysconf(_SC_PAGESIZE);
    for (const char *byte = pages + page; byte < pages + total - page; ++byte)
      if ((byte < data || byte >= data + bytes) && static_cast<unsigned char>(*byte) != POISON) return false;
    return true;
  }
};

inline std::list<Region> regions;

inline std::string describe(const char *address) {
  char text[200];
  for (const Region &region : regions)
    if (region.owns(address)) {
      long long past = address - (region.data + region.bytes), before = region.data - address;
      if (past >= 0) std::snprintf(text, sizeof text, "%lld bytes past the end of %s (%zu bytes)", past, region.name.c_str(), region.bytes);
      else std::snprintf(text, sizeof text, "%lld bytes before the beginning of %s", before, region.name.c_str());
      return text;
    }
  std::snprintf(text, sizeof text, "address %p, which belongs to no tensor", static_cast<const void *>(address));
  return text;
}

}  // namespace emulator
