// Threads that take turns: each has a stack of its own, and runs until it waits for something.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__) && defined(__linux__) && !defined(EMULATOR_UCONTEXT)
#define EMULATOR_ASSEMBLY
#else
#include <ucontext.h>
#endif

namespace emulator {

constexpr std::size_t STACK = 64 << 10;  // bytes a thread; a kernel's arrays of accumulators are about 2 KiB

#ifdef EMULATOR_ASSEMBLY
// swapcontext makes two system calls at each switch; saving the registers that a function must keep takes a few nanoseconds.
extern "C" void emulator_switch(void **save, void *load);
asm(R"(
.text
.type emulator_switch, @function
emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulator_switch, .-emulator_switch
)");

struct Fiber {
  void *stack_pointer = nullptr;
  void prepare(char *stack, void (*entry)()) {
    auto *top = reinterpret_cast<void **>(reinterpret_cast<std::uintptr_t>(stack + STACK) & ~std::uintptr_t{15});
    *--top = nullptr;  // where `entry` would return to; it never does
    *--top = reinterpret_cast<void *>(entry);
    stack_pointer = top - 6;  // six registers, whose values do not matter
  }
};
inline void switch_fiber(Fiber &from, Fiber &to) { emulator_switch(&from.stack_pointer, to.stack_pointer); }
#else
struct Fiber {
  ucontext_t context;
  void prepare(char *stack, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
  }
};
inline void switch_fiber(Fiber &from, Fiber &to) { swapcontext(&from.context, &to.context); }
#endif

}  // namespace emulator
