#include "textflag.h"

// func now() Ticks
// ISB orders the read with what stands before it and after it.
TEXT ·now(SB), NOSPLIT, $0-8
	ISB  $15
	MRS  CNTVCT_EL0, R0
	ISB  $15
	MOVD R0, ret+0(FP)
	RET

// func pause(n uint32)
TEXT ·pause(SB), NOSPLIT, $0-4
	MOVWU n+0(FP), R0
	CBZ   R0, done
loop:
	YIELD
	SUB   $1, R0
	CBNZ  R0, loop
done:
	RET

// func prefetch(p unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	PRFM (R0), PLDL1KEEP
	RET

#define ADD4 ADD R1, R0, R0; ADD R1, R0, R0; ADD R1, R0, R0; ADD R1, R0, R0
#define ADD16 ADD4; ADD4; ADD4; ADD4

// func addChain(n uint64) uint64
TEXT ·addChain(SB), NOSPLIT, $0-16
	MOVD n+0(FP), R2
	MOVD $0, R0
	MOVD $1, R1
	CBZ  R2, out
again:
	ADD16
	ADD16
	ADD16
	ADD16
	SUB  $1, R2
	CBNZ R2, again
out:
	MOVD R0, ret+8(FP)
	RET
