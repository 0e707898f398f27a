package boltfile

import (
	"encoding/binary"
	"hash/crc32"
)

// The first byte of every record is its format. Records without a checksum are from an
// older version; they get one when they are written again.
const (
	withoutChecksum = 1
	withChecksum    = 2
)

// checksumBytes is the length of the checksum, which follows the first byte.
const checksumBytes = 4

// castagnoli is the polynomial of the checksum. Processors have an instruction for it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the checksum of a record's key and content. It includes the key, so that a
// record under the wrong key is noticed.
func checksum(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}

// NewRecord begins a record. The caller appends the content, about size bytes, and ends
// the record with [Seal].
func NewRecord(size int) []byte {
	record := make([]byte, 1+checksumBytes, 1+checksumBytes+size)
	record[0] = withChecksum
	return record
}

// Seal writes the checksum into a complete record, and returns the record.
func Seal(key, record []byte) []byte {
	binary.BigEndian.PutUint32(record[1:], checksum(key, record[1+checksumBytes:]))
	return record
}

// Content is the content of a record, in the record's memory. It returns false if the
// record is not the one that was written under the key.
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

// Number reads a number that binary.AppendVarint wrote, and returns the rest of content;
// false if there is no number.
func Number(content []byte) (int64, []byte, bool) {
	n, size := binary.Varint(content)
	if size <= 0 {
		return 0, nil, false
	}
	return n, content[size:], true
}

// Text reads a text that [AppendText] wrote, and returns the rest of content; false if the
// text is not complete.
func Text(content []byte) (string, []byte, bool) {
	length, size := binary.Uvarint(content)
	if size <= 0 || uint64(len(content)-size) < length {
		return "", nil, false
	}
	end := size + int(length)
	return string(content[size:end]), content[end:], true
}
