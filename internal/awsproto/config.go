package awsproto

import (
	"log/slog"
	"net/http"
	"time"
)

// DefaultMaxBody is the largest request body, in bytes, that a service takes unless told otherwise: Lambda's limit for
// an upload of code (50 MB of zip in base64, with its JSON).
const DefaultMaxBody = 70167211

// Config is how a [Mux] behaves. The zero value serves.
type Config struct {
	// MaxBody bounds every request body, in bytes, after decompression; 0 means [DefaultMaxBody].
	MaxBody int64
	// Verify returns the secret of an access key. When it is set, each AWS request must carry a valid SigV4 signature;
	// nil accepts any credentials and none.
	Verify func(accessKeyID string) (secret string, ok bool)
	// Now is the time that signatures are checked against; nil means time.Now.
	Now func() time.Time
	// Fallback gets the requests that are no AWS API call; nil answers them with 404.
	Fallback http.Handler
	// Logger gets the errors that callers must not see; nil means slog.Default.
	Logger *slog.Logger
	// Lazy prepares services and operations at their first requests, and not in [NewMux], which then does not find what is
	// wrong with a table: a test that makes a mux of the same tables has to. A service takes some milliseconds.
	Lazy bool
}
