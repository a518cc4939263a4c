package seglog

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A manifest says what log a directory holds. Its file has the same line twice, so that damage to one of them does no harm:
//
//	seglog <format> <CRC-32C of "<format> <the rest>", hexadecimal> <JSON>
type manifest struct {
	id       [16]byte
	salt     [32]byte
	identity []byte
	version  uint8 // the highest Config.Version that it was opened with
}

type manifestJSON struct {
	ID       string `json:"id"`
	Salt     string `json:"salt"`
	Identity []byte `json:"identity"`
	Version  uint8  `json:"records"`
}

func newManifest(identity []byte, version uint8) manifest {
	m := manifest{identity: bytes.Clone(identity), version: version}
	rand.Read(m.id[:]) // never fails
	rand.Read(m.salt[:])
	return m
}

// seed is where the CRCs of this log's headers start.
func (m *manifest) seed() uint32 { return checksum(m.salt[:]) }

func (m *manifest) encode() ([]byte, error) {
	body, err := json.Marshal(manifestJSON{hex.EncodeToString(m.id[:]), hex.EncodeToString(m.salt[:]), m.identity, m.version})
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("seglog %d %08x %s\n", formatVersion, manifestCRC(formatVersion, body), body)
	return []byte(line + line), nil
}

func manifestCRC(format int, body []byte) uint32 {
	return checksum(fmt.Appendf(nil, "%d %s", format, body))
}

// parseManifest reads a MANIFEST. whole is false where one of the lines is damaged. It returns a *VersionError for a later format and a
// *CorruptError where no line can be read.
func parseManifest(data []byte) (m manifest, whole bool, err error) {
	// The halves are for where the line feed between the lines is what is damaged.
	lines := bytes.Split(data, []byte("\n"))
	if half := len(data) / 2; half > 0 {
		lines = append(lines, data[:half-1], data[half:len(data)-1])
	}
	for _, line := range lines {
		format, body, ok := parseManifestLine(line)
		if !ok {
			continue
		}
		if format > formatVersion {
			return manifest{}, false, &VersionError{Of: "format", Have: format, Max: formatVersion}
		}
		if m, ok = parseManifestBody(body); !ok {
			continue
		}
		encoded, err := m.encode()
		if err != nil {
			return manifest{}, false, err
		}
		return m, bytes.Equal(encoded, data), nil
	}
	return manifest{}, false, &CorruptError{manifestName, "no line of it can be read"}
}

func parseManifestLine(line []byte) (format int, body []byte, ok bool) {
	parts := strings.SplitN(string(line), " ", 4)
	if len(parts) != 4 || parts[0] != "seglog" {
		return 0, nil, false
	}
	format, err := strconv.Atoi(parts[1])
	if err != nil || format < 1 {
		return 0, nil, false
	}
	crc, err := strconv.ParseUint(parts[2], 16, 32)
	body = []byte(parts[3])
	return format, body, err == nil && uint32(crc) == manifestCRC(format, body)
}

func parseManifestBody(body []byte) (manifest, bool) {
	var text manifestJSON
	if json.Unmarshal(body, &text) != nil {
		return manifest{}, false
	}
	m := manifest{identity: text.Identity, version: text.Version}
	if len(text.ID) != 2*len(m.id) || len(text.Salt) != 2*len(m.salt) {
		return manifest{}, false
	}
	if _, err := hex.Decode(m.id[:], []byte(text.ID)); err != nil {
		return manifest{}, false
	}
	if _, err := hex.Decode(m.salt[:], []byte(text.Salt)); err != nil {
		return manifest{}, false
	}
	return m, true
}
