package spool

import (
	"cmp"
	"errors"
	"path/filepath"
	"time"

	"github.com/segmentprofiles/segmentprofiles-go/internal/dispatch"
	"github.com/segmentprofiles/segmentprofiles-go/internal/seglog"
	"github.com/segmentprofiles/segmentprofiles-go/internal/vfs"
	"github.com/segmentprofiles/segmentprofiles-go/transport"
)

// A Message is one that Drain takes out of a spool.
type Message struct {
	// Queue is the name of the folder that it lies in, as in QueueInfo.
	Queue string
	// Space is the write key that it is for, where that is among the keys that Drain was given. It does not print.
	Space transport.WriteKey
	// At is when it was taken into the spool.
	At time.Time
	// JSON is the message as it was to be sent. It holds personal data.
	JSON []byte
}

// Drain takes the messages out of a spool, one queue after the other and in their order, without sending them: into another spool, a
// file, or through package actions, whose Parse reads them. A message is removed once take has returned nil for it; an error of take ends
// the drain and is returned as it is, and that message and those behind it stay. Drain returns how many were removed. Messages that are
// damaged are passed over, and stay counted as Quarantined.
//
// A kill in between may give take the last messages again. Other errors are an *OpenError, where a client has the spool open for
// instance, or what the disk said.
func Drain(dir string, keys []transport.WriteKey, take func(Message) error) (int64, error) {
	removed := int64(0)
	err := eachQueue(dir, func(s *Spool, name string, log *seglog.Log) error {
		var space transport.WriteKey
		for _, key := range keys {
			if s.name(key) == name {
				space = key
			}
		}
		for reader := log.Reader(0); ; {
			records, err := reader.Next(1 << 20)
			var damage *seglog.DamageError
			if errors.As(err, &damage) {
				continue
			}
			if err != nil || len(records) == 0 {
				return err
			}
			for _, r := range records {
				body, err := dispatch.StoredBody(r.Payload)
				if err != nil {
					continue // of a form that no client could send either
				}
				if err := take(Message{Queue: name, Space: space, At: r.AppendedAt, JSON: body}); err != nil {
					return err
				}
				log.Ack(r.Seq)
				removed++
			}
		}
	})
	return removed, err
}

// Purge removes every message of a spool, for good, and returns how many they were. It fails where a client has the spool open. Errors:
// *OpenError, or what the disk said.
func Purge(dir string) (int64, error) {
	removed := int64(0)
	err := eachQueue(dir, func(_ *Spool, _ string, log *seglog.Log) error {
		n, err := log.Purge()
		removed += n
		return err
	})
	return removed, err
}

// eachQueue opens a spool, calls do with each of its queues, and closes it.
func eachQueue(dir string, do func(s *Spool, name string, log *seglog.Log) error) (err error) {
	info, err := Inspect(dir)
	if err != nil {
		return err
	}
	s, err := Open(Config{Dir: dir}, info.Endpoint)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, s.Close()) }()
	for _, q := range info.Queues {
		folder, err := vfs.OpenDir(filepath.Join(dir, q.Name))
		if err != nil {
			return openError(dir, err)
		}
		log, _, err := seglog.Open(folder, seglog.Config{Identity: []byte(q.Name), Version: recordVersion, AcceptMissing: true})
		if err != nil {
			return openError(dir, errors.Join(err, folder.Close()))
		}
		if err := cmp.Or(do(s, q.Name, log), log.Close(), folder.Close()); err != nil {
			return err
		}
	}
	return nil
}
