// Marks functions that also compile for the device, without asking for a CUDA header.
#pragma once

#if defined(__CUDACC__)
#define IMP_HD __host__ __device__
#else
#define IMP_HD
#endif
