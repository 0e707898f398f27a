package boltfile

import (
	"encoding/binary"
	"hash/crc32"
)

// The first byte of every record says how it is laid out. Records of before the
// checksum are read as they are, and get one when they are written again.
const (
	withoutChecksum = 1
	withChecksum    = 2
)

// checksumBytes is the length of the checksum, which follows the first byte.
const checksumBytes = 4

// castagnoli is the polynomial of the checksum: processors have an instruction for
// it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the checksum of a record, from what follows it. It is about the key as
// well, so that a record under another's key is noticed.
func checksum(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}

// NewRecord begins a record: what is appended to it is its content, of about so many
// bytes. [Seal] ends it.
func NewRecord(size int) []byte {
	record := make([]byte, 1+checksumBytes, 1+checksumBytes+size)
	record[0] = withChecksum
	return record
}

// Seal puts the checksum into a record that is complete, and returns the record.
func Seal(key, record []byte) []byte {
	binary.BigEndian.PutUint32(record[1:], checksum(key, record[1+checksumBytes:]))
	return record
}

// Content is what was appended to a record, in its own memory; false if the record is
// not what was written under the key.
func Content(key, record []byte) ([]byte, bool) {
	switch {
	case len(record) > 0 && record[0] == withoutChecksum:
		return record[1:], true
	case len(record) > checksumBytes && record[0] == withChecksum:
		content := record[1+checksumBytes:]
		return content, binary.BigEndian.Uint32(record[1:]) == checksum(key, content)
	default:
		return nil, false
	}
}

// AppendText appends a text with its length.
func AppendText(record []byte, text string) []byte {
	return append(binary.AppendUvarint(record, uint64(len(text))), text...)
}

// Number reads a number that binary.AppendVarint wrote, and returns what follows it;
// false if there is none.
func Number(content []byte) (int64, []byte, bool) {
	n, size := binary.Varint(content)
	if size <= 0 {
		return 0, nil, false
	}
	return n, content[size:], true
}

// Text reads what [AppendText] wrote, and returns what follows it; false if that is not
// there as a whole.
func Text(content []byte) (string, []byte, bool) {
	length, size := binary.Uvarint(content)
	if size <= 0 || uint64(len(content)-size) < length {
		return "", nil, false
	}
	end := size + int(length)
	return string(content[size:end]), content[end:], true
}
