/* Answers app/inference/gpu.py as libcuda.so.1 would, with what the environment says: CUDA (13000 is 13.0), CAPABILITY
   (75 is 7.5), COUNT of GPUs, INIT and GET (what cuInit and cuDeviceGet return). */
#include <stdio.h>
#include <stdlib.h>

static int said(const char *name, int otherwise) {
  const char *value = getenv(name);
  return value ? atoi(value) : otherwise;
}

/* 100 is CUDA_ERROR_NO_DEVICE, 75 and 76 are the attributes of the compute capability's two numbers. */
int cuInit(unsigned flags) { return said("COUNT", 1) ? said("INIT", 0) : 100; }
int cuDriverGetVersion(int *version) { *version = said("CUDA", 13000); return 0; }
int cuDeviceGetCount(int *count) { *count = said("COUNT", 1); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return said("GET", 0); }
int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Stand-in"); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int capability = said("CAPABILITY", 90);
  *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : -1;
  return 0;
}
/* Named by onnxruntime's CUDA library, which does not load without it; nobody calls it here. */
int cuTensorMapEncodeTiled(void) { return 801; }
