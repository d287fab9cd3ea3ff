// What Python calls. The text that __init__.py writes includes the kernel's file, then this one, then a function per launch.
#pragma once

#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))

EMULATOR_EXPORT void *new_region(const char *name, long long bytes) {
  emulator::regions.emplace_back(name, static_cast<std::size_t>(bytes));
  return emulator::regions.back().data;
}

EMULATOR_EXPORT void delete_regions() { emulator::regions.clear(); }

EMULATOR_EXPORT void read_counters(long long *into) { std::memcpy(into, &emulator::now.counters, sizeof(emulator::Counters)); }

// A function `name` that launches `kernel`, which may have commas in it.
#define EMULATOR_LAUNCH(name, ...) \
  EMULATOR_EXPORT const char *name(const Params *p, const unsigned *grid, int threads, int shared_bytes, \
                                   int order, unsigned seed, int late_copies, int seconds) { \
    static std::string report; \
    auto in_thread = [](const void *of) { (__VA_ARGS__)(*static_cast<const Params *>(of)); }; \
    report = emulator::launch(in_thread, p, {grid[0], grid[1], grid[2]}, threads, shared_bytes, \
                              static_cast<emulator::Order>(order), seed, late_copies != 0, seconds); \
    return report.c_str(); \
  }
