package seglog

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	lockName     = "LOCK"
	manifestName = "MANIFEST"
	reserveName  = "RESERVE"
	reserveBytes = 32 << 10
	tmpSuffix    = ".tmp"
	ackSuffix    = ".ack"
	segSuffix    = ".seg"
	brokenSuffix = ".broken"
)

func segmentName(base Seq, attempt uint16) string {
	return fmt.Sprintf("%016x-%04x%s", uint64(base), attempt, segSuffix)
}

func parseSegmentName(name string) (base Seq, attempt uint16, ok bool) {
	first, second, ok := strings.Cut(strings.TrimSuffix(name, segSuffix), "-")
	if !ok || !strings.HasSuffix(name, segSuffix) || len(first) != 16 || len(second) != 4 {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(first, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	a, err := strconv.ParseUint(second, 16, 16)
	if err != nil {
		return 0, 0, false
	}
	return Seq(b), uint16(a), b > 0 && segmentName(Seq(b), uint16(a)) == name
}

func ackName(generation uint64) string { return fmt.Sprintf("%016x%s", generation, ackSuffix) }

func parseAckName(name string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, ackSuffix), 16, 64)
	return n, err == nil && ackName(n) == name
}

func brokenName(base Seq, attempt uint16, offset int64) string {
	return fmt.Sprintf("%016x-%04x-%08x%s", uint64(base), attempt, offset, brokenSuffix)
}

func isBrokenName(name string) bool { return strings.HasSuffix(name, brokenSuffix) }
