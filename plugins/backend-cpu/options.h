/* SPDX-License-Identifier: Apache-2.0 */
/* What the option table of backend-cpu fills. */
#ifndef LSB_CPU_OPTIONS_H
#define LSB_CPU_OPTIONS_H

#include <stdint.h>

enum { CPU_ISA_AUTO, CPU_ISA_PLAIN, CPU_ISA_AVX2, CPU_ISA_AVX512 };
#define CPU_ISA_CHOICES "auto|plain|avx2|avx512"

enum { CPU_ACTIVATIONS_INT8, CPU_ACTIVATIONS_FP32 };
#define CPU_ACTIVATIONS_CHOICES "int8|fp32"

struct cpu_options {
	uint32_t isa;	      /* CPU_ISA_* */
	uint32_t activations; /* CPU_ACTIVATIONS_* */
	uint32_t chat;	      /* enum lsb_chat */
	uint32_t reserved;
	uint64_t spin_ns; /* how long an idle worker spins before it sleeps */
};

#endif
