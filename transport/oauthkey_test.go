package transport

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// testKey returns the key of all tests: making one takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, MinKeyBits)
	if err != nil {
		panic(err)
	}
	return key
})
