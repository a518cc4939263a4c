package seglog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs/vfstest"
)

// live runs random operations until the power goes off, or for so many steps.
func (b *ledger) live(l *Log, random *rand.Rand, steps int, off func() bool) error {
	r := l.Reader(0)
	for range steps {
		if off() {
			return nil
		}
		switch random.IntN(10) {
		case 0, 1, 2, 3:
			if err := b.append(l, random); err != nil {
				return err
			}
		case 4, 5, 6:
			b.ack(l, random)
		case 7:
			l.SyncAcks()
		default:
			records, err := r.Next(random.IntN(2000))
			if err != nil && !errors.Is(err, vfstest.ErrPowerOff) {
				return fmt.Errorf("Next: %w", err)
			}
			if len(records) == 0 {
				r.Reset(0)
			}
			for _, rec := range records {
				if want, ok := b.promised[rec.Seq]; ok && want != string(rec.Payload) {
					return fmt.Errorf("record %d reads %.30q, want %.30q", rec.Seq, rec.Payload, want)
				}
			}
		}
	}
	return nil
}

// anyMode stands for a mode that is drawn for each life, and for lives that end in a power cut or a kill as it comes. What Memory mode has lost is
// missing, which has to be accepted.
const anyMode = Memory + 1

// crash lives a few lives of a log, each ended by a power cut or a kill somewhere in the middle, recoveries included.
func crash(t *testing.T, seed uint64, mode Mode, kill bool) error {
	return crashOn(t, seed, mode, kill, func(fsys vfs.FS) *vfstest.Faults { return vfstest.NewFaults(fsys) })
}

func crashOn(t *testing.T, seed uint64, mode Mode, kill bool, on func(fsys vfs.FS) *vfstest.Faults) error {
	random := rand.New(rand.NewPCG(seed, uint64(mode)))
	mem := vfstest.NewMem()
	b := newLedger()
	config := Config{Mode: mode % anyMode, SegmentBytes: int64(500 + random.IntN(4000))}
	if random.IntN(2) == 0 {
		config.MaxBytes = int64(4000 + random.IntN(20_000)) // segments are thinned out
	}
	keepsAll := mode == Sync || kill && mode != anyMode
	for life := range 4 {
		if mode == anyMode {
			config.Mode, config.AcceptMissing, kill = Mode(random.IntN(3)), true, random.IntN(2) == 0
		}
		faults := on(mem)
		faults.PowerOff(1 + random.IntN(60))
		l, _, err := Open(faults, config)
		switch {
		case err == nil:
			if !faults.IsOff() {
				if err := b.settle(t, l, keepsAll); err != nil {
					return fmt.Errorf("life %d: %w", life, err)
				}
			}
			if err := b.live(l, random, 60, faults.IsOff); err != nil {
				return fmt.Errorf("life %d: %w", life, err)
			}
			if random.IntN(4) == 0 {
				l.Close()
			}
		case !faults.IsOff():
			return fmt.Errorf("life %d: Open: %w", life, err)
		}
		// What runs on in the old life finds the power off.
		faults.PowerOff(1)
		next := mem.Kill()
		if !kill {
			next = mem.PowerCut(random.Uint64())
		}
		if l != nil {
			l.Close()
		}
		mem = next
	}
	l, _, err := Open(mem, config)
	if err != nil {
		return fmt.Errorf("at last: Open: %w", err)
	}
	defer l.Close()
	if err := b.settle(t, l, keepsAll); err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	for len(b.promised) > 0 {
		b.ack(l, random)
	}
	if err := l.Close(); err != nil {
		return err
	}
	if l, _, err = Open(mem, config); err != nil {
		return err
	}
	defer l.Close()
	requireRecords(t, l, nil)
	return nil
}

func TestFault40PowerCut(t *testing.T) {
	for _, mode := range []struct {
		name string
		mode Mode
		kill bool
	}{{"sync", Sync, false}, {"interval", Interval, false}, {"memory", Memory, false},
		{"sync, killed", Sync, true}, {"interval, killed", Interval, true}, {"memory, killed", Memory, true},
		{"changing", anyMode, false}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			runs := *cuts / 8
			if mode.mode == Sync && !mode.kill {
				runs = *cuts / 4 // four power cuts a run
			}
			for seed := range uint64(runs) {
				if err := crash(t, seed, mode.mode, mode.kill); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}
