// One block of threads on a CPU: barriers, warps, shared memory, schedules, and reports that name the thread and the line.
#pragma once
#include <pthread.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdarg>
#include <string>
#include <vector>

#include "fibers.h"
#include "memory.h"

namespace emulator {

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

enum class Order { first_in, last_in, random };

// What a launch counted.
struct Counters {
  long long blocks, barriers, mma, matrices, wavefronts, copied_bytes;
};

struct Copy {
  void *target;
  const void *source;
  bool valid;
};

struct Thread {
  Fiber fiber;
  Dim index;
  int number = 0;
  bool ended = false;
  const char *waits_for = nullptr;  // what it waits for, in words; null while it can run
  int line = 0, barrier = 0;
  const void *argument = nullptr;  // of the warp's operation that it has come to
  std::vector<Copy> copies;        // started, not yet waited for
};

constexpr int WARP = 32;

struct Block {
  std::vector<Thread> threads;
  std::vector<int> ready;
  int live = 0, current = -1;
  Fiber scheduler;
  Dim block, grid;
  Region *shared = nullptr;
  Order order = Order::first_in;
  bool late_copies = false;
  unsigned random = 1;  // state of a small generator
  Counters counters{};
  std::string report;
  void (*kernel)(const void *) = nullptr;
  const void *params = nullptr;
};

inline Block now;  // blocks run one after the other
inline Thread &self() { return now.threads[now.current]; }

inline std::string format(const char *text, ...) {
  char line[1000];
  va_list arguments;
  va_start(arguments, text);
  std::vsnprintf(line, sizeof line, text, arguments);
  va_end(arguments);
  return line;
}

// Stop the launch with this report. Does not return.
[[noreturn]] inline void fail(const std::string &report) {
  if (now.report.empty()) now.report = report;
  Fiber abandoned;
  switch_fiber(abandoned, now.scheduler);
  std::abort();
}

inline void pause() { switch_fiber(self().fiber, now.scheduler); }

inline void wake(Thread &thread) {
  thread.waits_for = nullptr;
  now.ready.push_back(thread.number);
}

// "threads 0–31 and 64", of those for which `holds` is true.
template <typename Condition>
std::string those(Condition holds) {
  std::string text;
  int count = static_cast<int>(now.threads.size());
  for (int i = 0; i < count; ++i) {
    if (!holds(now.threads[i])) continue;
    int last = i;
    while (last + 1 < count && holds(now.threads[last + 1])) ++last;
    text += text.empty() ? "" : ", ";
    text += last == i ? format("%d", i) : format("%d–%d", i, last);
    i = last;
  }
  return "threads " + text;
}

// Who waits where; the reason why nothing goes on any more.
inline std::string deadlock() {
  std::string text = format("block (%u, %u, %u) hangs:", now.block.x, now.block.y, now.block.z);
  std::vector<std::pair<std::string, int>> seen;
  for (const Thread &thread : now.threads) {
    if (thread.ended || !thread.waits_for) continue;
    std::pair<std::string, int> place{thread.waits_for, thread.line};
    if (std::find(seen.begin(), seen.end(), place) != seen.end()) continue;
    seen.push_back(place);
    text += " " + those([&](const Thread &other) {
      return !other.ended && other.waits_for && place.first == other.waits_for && place.second == other.line;
    });
    text += format(" wait at %s in line %d;", place.first.c_str(), place.second);
  }
  if (now.live < static_cast<int>(now.threads.size()))
    text += " " + those([](const Thread &thread) { return thread.ended; }) + " have ended;";
  text.back() = '.';
  return text;
}

// Barrier `id` opens when `count` threads have come; 0 stands for all that have not ended.
inline void open_barrier(int id, int count) {
  int waiting = 0;
  for (const Thread &thread : now.threads) waiting += thread.waits_for && thread.barrier == id && !thread.ended;
  if (waiting == 0 || waiting < (count ? count : now.live)) return;
  const Thread *first = nullptr;
  for (const Thread &thread : now.threads) {
    if (thread.ended || !thread.waits_for || thread.barrier != id) continue;
    if (!first) first = &thread;
    if (thread.line != first->line) {
      now.report = format("block (%u, %u, %u): thread %d came to the barrier of line %d and thread %d to that of line %d;"
                          " all threads of a block must come to the same one.",
                          now.block.x, now.block.y, now.block.z, first->number, first->line, thread.number, thread.line);
      return;
    }
  }
  for (Thread &thread : now.threads)
    if (!thread.ended && thread.waits_for && thread.barrier == id) thread.barrier = -1, wake(thread);
  ++now.counters.barriers;
}

inline void barrier(int line, int id = 0, int count = 0) {
  Thread &thread = self();
  thread.waits_for = "the block's barrier", thread.line = line, thread.barrier = id;
  open_barrier(id, count);
  pause();
}

// All threads of a group (a warp, or the 128 of a warpgroup) come to the same operation; the last carries it out for all.
template <int SIZE, typename Argument, typename Operation>
void collective(const char *name, int line, Argument &argument, Operation operation) {
  Thread &thread = self();
  thread.waits_for = name, thread.line = line, thread.barrier = -1, thread.argument = &argument;
  Thread *group = &now.threads[thread.number / SIZE * SIZE];
  for (int lane = 0; lane < SIZE; ++lane) {
    if (group[lane].ended)
      fail(format("thread %d came to %s in line %d, but thread %d of its warp has ended.", thread.number, name, line, group[lane].number));
    if (!group[lane].waits_for) return pause();  // it will come, and be the last or go on waiting
    if (group[lane].waits_for != thread.waits_for || group[lane].line != line) return pause();
  }
  Argument *arguments[SIZE];
  for (int lane = 0; lane < SIZE; ++lane)
    arguments[lane] = static_cast<Argument *>(const_cast<void *>(group[lane].argument));
  operation(arguments);
  for (int lane = 0; lane < SIZE; ++lane) wake(group[lane]);
  pause();
}

inline void finish_copy(const Copy &copy) {
  if (copy.valid) std::memcpy(copy.target, copy.source, 16);
  else std::memset(copy.target, 0, 16);
}

inline void run_thread() {
  now.kernel(now.params);
  Thread &thread = self();
  if (!thread.copies.empty())
    fail(format("thread %d ended with %zu asynchronous copies that it did not wait for.", thread.number, thread.copies.size()));
  thread.ended = true, --now.live;
  open_barrier(0, 0);  // those who wait need wait for one thread less
  pause();
  std::abort();
}

inline unsigned random_number() {  // xorshift, Marsaglia 2003
  unsigned &x = now.random;
  x ^= x << 13, x ^= x >> 17, x ^= x << 5;
  return x;
}

inline int next_ready() {
  std::size_t place = now.order == Order::first_in ? 0
                      : now.order == Order::last_in ? now.ready.size() - 1
                                                    : random_number() % now.ready.size();
  int number = now.ready[place];
  now.ready.erase(now.ready.begin() + place);
  return number;
}

inline void run_block(char *stacks) {
  int count = static_cast<int>(now.threads.size());
  std::memset(now.shared->data, POISON, now.shared->bytes);
  now.ready.clear(), now.live = count;
  for (int i = 0; i < count; ++i) {
    Thread &thread = now.threads[i];
    thread.number = i, thread.index = {static_cast<unsigned>(i), 0, 0};
    thread.ended = false, thread.waits_for = nullptr, thread.barrier = -1, thread.copies.clear();
    thread.fiber.prepare(stacks + STACK * i, run_thread);
    now.ready.push_back(i);
  }
  while (now.live > 0 && now.report.empty()) {
    if (now.ready.empty()) {
      now.report = deadlock();
      return;
    }
    now.current = next_ready();
    switch_fiber(now.scheduler, self().fiber);
  }
  ++now.counters.blocks;
}

inline sigjmp_buf on_fault;
inline std::string fault;
inline pthread_t launching;

inline void faulted(int signal, siginfo_t *info, void *) {
  if (!pthread_equal(pthread_self(), launching)) {  // the clock may ring in any thread; another's fault is its own
    if (signal == SIGVTALRM) pthread_kill(launching, signal);
    else std::abort();
    return;
  }
  fault = signal == SIGVTALRM ? "has run on and on without an end; a loop may not stop"
          : signal == SIGFPE ? "divided by zero" : "touched memory " + describe(static_cast<char *>(info->si_addr));
  siglongjmp(on_fault, 1);
}

// Run `kernel` in every thread of every block. Returns a report, empty if all went well.
inline std::string launch(void (*kernel)(const void *), const void *params, Dim grid, int threads, int shared_bytes,
                          Order order, unsigned seed, bool late_copies, int seconds) {
  static std::vector<char> stacks, signal_stack(64 << 10);
  stacks.resize(STACK * threads);
  now.kernel = kernel, now.params = params, now.grid = grid, now.order = order, now.late_copies = late_copies;
  now.threads.assign(threads, Thread{}), now.random = seed + 1, now.report.clear(), now.counters = {};
  regions.emplace_back("shared memory", shared_bytes);
  now.shared = &regions.back();

  struct sigaction action = {}, before[4];
  const int signals[4] = {SIGSEGV, SIGBUS, SIGFPE, SIGVTALRM};
  const itimerval limit = {{}, {seconds, 0}}, none = {};  // of processor time
  launching = pthread_self();
  stack_t alternative = {}, before_stack;
  alternative.ss_sp = signal_stack.data(), alternative.ss_size = signal_stack.size();
  sigaltstack(&alternative, &before_stack);
  action.sa_sigaction = faulted, action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int i = 0; i < 4; ++i) sigaction(signals[i], &action, &before[i]);
  setitimer(ITIMER_VIRTUAL, &limit, nullptr);
  if (sigsetjmp(on_fault, 1) == 0) {
    for (unsigned z = 0; z < grid.z && now.report.empty(); ++z)
      for (unsigned y = 0; y < grid.y && now.report.empty(); ++y)
        for (unsigned x = 0; x < grid.x && now.report.empty(); ++x) now.block = {x, y, z}, run_block(stacks.data());
  } else {
    now.report = format("block (%u, %u, %u), thread %d %s.", now.block.x, now.block.y, now.block.z,
                        now.current, fault.c_str());
  }
  setitimer(ITIMER_VIRTUAL, &none, nullptr);
  for (int i = 0; i < 4; ++i) sigaction(signals[i], &before[i], nullptr);
  sigaltstack(&before_stack, nullptr);
  for (const Region &region : regions)
    if (now.report.empty() && !region.intact()) now.report = format("a thread wrote beside %s.", region.name.c_str());
  regions.pop_back();
  return now.report;
}

}  // namespace emulator
