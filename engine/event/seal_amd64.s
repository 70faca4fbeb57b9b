#include "textflag.h"

// From the layout of Header, which the tests hold.
#define contentField 24
#define lengthField 28
#define contentAt 40
#define uncovered 16 // bytes of the record before contentAt

// REST continues the raw checksum crc over the len bytes at p+at, inverts it,
// and stores it in the header at p.
#define REST(p, len, at, crc) \
	CMPQ   len, $8 \
	JLT    6(PC) \
	CRC32Q (p)(at*1), crc \
	ADDQ   $8, at \
	SUBQ   $8, len \
	CMPQ   len, $8 \
	JGE    -4(PC) \
	TESTQ  len, len \
	JZ     5(PC) \
	CRC32B (p)(at*1), crc \
	INCQ   at \
	DECQ   len \
	JNZ    -3(PC) \
	NOTL   crc \
	MOVL   crc, contentField(p)

// func sealThree(a, b, c *Header)
TEXT ·sealThree(SB), NOSPLIT, $0-24
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ c+16(FP), DX

	// The length of each content, and the words that all three have.
	MOVL    lengthField(SI), R9
	MOVL    lengthField(DI), R10
	MOVL    lengthField(DX), R11
	SUBQ    $uncovered, R9
	SUBQ    $uncovered, R10
	SUBQ    $uncovered, R11
	MOVQ    R9, CX
	CMPQ    R10, CX
	CMOVQLT R10, CX
	CMPQ    R11, CX
	CMOVQLT R11, CX
	ANDQ    $~7, CX
	SUBQ    CX, R9
	SUBQ    CX, R10
	SUBQ    CX, R11

	MOVL $-1, AX
	MOVL $-1, BX
	MOVL $-1, R8
	MOVQ $contentAt, R12
	ADDQ R12, CX
loop:
	CRC32Q (SI)(R12*1), AX // no content is shorter than three words
	CRC32Q (DI)(R12*1), BX
	CRC32Q (DX)(R12*1), R8
	ADDQ   $8, R12
	CMPQ   R12, CX
	JLT    loop

	REST(SI, R9, R12, AX)
	MOVQ CX, R12
	REST(DI, R10, R12, BX)
	REST(DX, R11, CX, R8)
	RET
