package seglog

import (
	"io/fs"

	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
)

// An Info is what a directory holds, for people.
type Info struct {
	// ID is the log's random id, Identity what it was made for, Version the highest Config.Version that it was opened with.
	ID       [16]byte
	Identity []byte
	Version  uint8
	// Recovery is what Open would find, and Missing in it what it would refuse.
	Recovery
	// First and Next are the number of the first record that is not acknowledged, and the one that the next record gets.
	First, Next Seq
	// Files are the segments, in order.
	Files []SegmentInfo
	// BrokenFiles is how many damaged parts are kept, of BrokenBytes.
	BrokenFiles int
	BrokenBytes int64
}

// A SegmentInfo is what there is in one segment.
type SegmentInfo struct {
	Name        string
	Bytes       int64
	First, Last Seq   // of all that it had; Last is less than First where it is empty
	Records     int64 // not acknowledged
}

// Inspect looks at the log in a directory without opening it: it takes no lock and changes nothing, and works while another process uses the
// log, then as of about now. As Open does, it takes segments that have a footer for what that says. It returns an error that is
// fs.ErrNotExist where there is no log, a *VersionError, a *CorruptError, or what the file system says.
func Inspect(fsys vfs.FS) (Info, error) { return inspect(fsys, false) }

// Verify does what Inspect does, and reads every record that is not acknowledged, or shares a segment with one. What it finds damaged is
// in the Info as if Open had found it; Readers will.
func Verify(fsys vfs.FS) (Info, error) { return inspect(fsys, true) }

func inspect(fsys vfs.FS, everything bool) (Info, error) {
	for try := 1; ; try++ {
		s := &survey{everything: everything, indexed: -1}
		_, err := s.look(fsys, nil)
		if vanished(err) && try < 5 {
			continue // acknowledgements have been moved to a new file
		}
		if err != nil {
			return Info{}, err
		}
		if s.fresh {
			return Info{}, failed("inspecting", fs.ErrNotExist)
		}
		return s.info(), nil
	}
}

func (s *survey) info() Info {
	info := Info{ID: s.manifest.id, Identity: s.manifest.identity, Version: s.manifest.version, Next: s.next, First: s.next}
	found := &info.Recovery
	*found = s.found()
	for _, e := range s.broken {
		info.BrokenFiles++
		info.BrokenBytes += e.Size
	}
	for _, seg := range s.segments {
		info.Files = append(info.Files, SegmentInfo{seg.name, seg.bytes, seg.base, seg.end - 1, seg.unacked})
	}
	for i := len(s.segments) - 1; i >= 0; i-- {
		if first := s.segments[i].first; first != 0 {
			info.First = first
		}
	}
	return info
}

// found sums the survey up.
func (s *survey) found() Recovery {
	found := Recovery{Records: s.records, Bytes: s.size, Missing: s.missing.records, DamagedAckBytes: s.ackDamaged}
	for i, seg := range s.segments {
		for _, d := range seg.damage {
			found.QuarantinedRecords += d.records
			found.QuarantinedRegions++
			found.QuarantinedBytes += d.size
		}
		if i == len(s.segments)-1 {
			found.TornBytes = seg.torn
		}
		if seg.unacked > 0 {
			found.Segments++
		}
	}
	return found
}
