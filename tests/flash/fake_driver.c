// A libcuda.so.1 that writes down what it is asked, so that the real cuda-bindings can be tested without a GPU: do they pass
// handles, sizes and the struct on as launch.py means it? Every handle is a number; FAKE_DRIVER_LOG is the file it writes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *name, unsigned long long a, unsigned long long b, unsigned long long c) {
  FILE *file = fopen(getenv("FAKE_DRIVER_LOG"), "a");
  fprintf(file, "%s %llu %llu %llu\n", name, a, b, c);
  fclose(file);
}
int init(unsigned flags) { return say("cuInit", flags, 0, 0), 0; }
int version(int *number) { return *number = 13000, 0; }
int device(int *found, int ordinal) { return *found = ordinal + 5, 0; }
int retain(void **context, int found) { return say("cuDevicePrimaryCtxRetain", found, 0, 0), *context = (void *)31, 0; }
int push(void *context) { return say("cuCtxPushCurrent", (size_t)context, 0, 0), 0; }
int pop(void **context) { return say("cuCtxPopCurrent", 0, 0, 0), *context = (void *)31, 0; }
int load(void **module, const void *image) {
  return say("cuModuleLoadData", memcmp(image, "\177ELF", 4) == 0, 0, 0), *module = (void *)41, 0;
}
int get(void **function, void *module, const char *name) {
  return say("cuModuleGetFunction", (size_t)module, strlen(name), 0), *function = (void *)51, 0;
}
int attribute(void *function, int which, int value) {
  return say("cuFuncSetAttribute", (size_t)function, which, value), 0;
}
int launch(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned y_threads, unsigned z_threads,
           unsigned shared, void *stream, void **params, void **extra) {
  say("cuLaunchKernel", (size_t)function, shared, (size_t)stream);
  say("grid", x, y, z);
  say("block", threads, y_threads, z_threads);
  say("extra", (size_t)extra, 0, 0);
  FILE *file = fopen(getenv("FAKE_DRIVER_LOG"), "a");
  fprintf(file, "struct ");
  for (int i = 0; i < atoi(getenv("FAKE_DRIVER_BYTES")); ++i) fprintf(file, "%02x", ((unsigned char *)params[0])[i]);
  fprintf(file, "\n");
  return fclose(file), 0;
}

int cuGetProcAddress_v2(const char *name, void **found, int number, unsigned long long flags, void *status) {
  (void)number, (void)flags, (void)status;
  struct {
    const char *name;
    void *function;
  } known[] = {{"cuInit", init},
               {"cuDriverGetVersion", version},
               {"cuDeviceGet", device},
               {"cuDevicePrimaryCtxRetain", retain},
               {"cuCtxPushCurrent", push},
               {"cuCtxPopCurrent", pop},
               {"cuModuleLoadData", load},
               {"cuModuleGetFunction", get},
               {"cuFuncSetAttribute", attribute},
               {"cuLaunchKernel", launch}};
  for (unsigned i = 0; i < sizeof known / sizeof known[0]; ++i)
    if (strcmp(known[i].name, name) == 0) return *found = known[i].function, 0;
  return *found = NULL, 500;
}
