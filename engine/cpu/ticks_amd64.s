#include "textflag.h"

// func now() Ticks
TEXT ·now(SB), NOSPLIT, $0-8
	LFENCE
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET

// func end() Ticks
TEXT ·end(SB), NOSPLIT, $0-8
	RDTSCP
	LFENCE
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET

// func pause(n uint32)
TEXT ·pause(SB), NOSPLIT, $0-4
	MOVL n+0(FP), CX
	TESTL CX, CX
	JZ   done
loop:
	PAUSE
	DECL CX
	JNZ  loop
done:
	RET

// func prefetch(p unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVQ       p+0(FP), AX
	PREFETCHT0 (AX)
	RET

#define ADD4 ADDQ BX, AX; ADDQ BX, AX; ADDQ BX, AX; ADDQ BX, AX
#define ADD16 ADD4; ADD4; ADD4; ADD4

// func addChain(n uint64) uint64
// The addend is a register: newer cores fold chains of immediate additions.
TEXT ·addChain(SB), NOSPLIT, $0-16
	MOVQ  n+0(FP), CX
	XORQ  AX, AX
	MOVQ  $1, BX
	TESTQ CX, CX
	JZ    out
again:
	ADD16
	ADD16
	ADD16
	ADD16
	DECQ  CX
	JNZ   again
out:
	MOVQ AX, ret+8(FP)
	RET
