package retl

import (
	"errors"
	"iter"
	"os"
	"sync/atomic"

	"github.com/segmentprofiles/segmentprofiles-go/profiles"
)

// ErrSpent is what a source yields that can be ranged over once, and was: to go on in the middle of an input would make rows that were read
// before look deleted. Make a new one, or use one that opens its input for each range: Query, CSVFile, NDJSONFile.
var ErrSpent = errors.New("retl: this source can be read once, and was: make a new one, or use one that opens its input each time")

// Once makes a source that can be ranged over once: a second range yields ErrSpent alone. It is for sources of your own that read on where
// they stand; those of this package and of presets that need it are made so.
func Once(source iter.Seq2[profiles.Record, error]) iter.Seq2[profiles.Record, error] {
	var spent atomic.Bool
	return func(yield func(profiles.Record, error) bool) {
		if spent.Swap(true) {
			yield(nil, ErrSpent)
			return
		}
		source(yield)
	}
}

// CSVFile is CSV of a file, which each range opens and closes. A file that cannot be opened ends the range with the *fs.PathError.
func CSVFile(path string, opts CSVOptions) iter.Seq2[profiles.Record, error] {
	return eachTime(path, func(f *os.File) iter.Seq2[profiles.Record, error] { return CSV(f, opts) })
}

// NDJSONFile is NDJSON of a file, which each range opens and closes. A file that cannot be opened ends the range with the *fs.PathError.
func NDJSONFile(path string) iter.Seq2[profiles.Record, error] {
	return eachTime(path, func(f *os.File) iter.Seq2[profiles.Record, error] { return NDJSON(f) })
}

func eachTime(path string, read func(*os.File) iter.Seq2[profiles.Record, error]) iter.Seq2[profiles.Record, error] {
	return func(yield func(profiles.Record, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		read(f)(yield)
	}
}
