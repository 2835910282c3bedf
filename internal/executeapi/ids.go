package executeapi

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
)

// NewRequestID draws an ID as AWS's are: 11 bytes in base64, such as JKJaXmPLvHcESHA=.
func NewRequestID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	return base64.URLEncoding.EncodeToString(b[:11])
}

// NewID draws an ID of n characters as AWS's are, lower-case letters and digits, that is not taken.
func NewID(n int, taken func(string) bool) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for {
		for i := range b {
			b[i] = alphabet[rand.IntN(len(alphabet))]
		}
		if id := string(b); !taken(id) {
			return id
		}
	}
}
