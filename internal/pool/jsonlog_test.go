package pool

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestJSONLogs checks the JSON format of both the platform's events and the runtimes', and that levels are kept.
func TestJSONLogs(t *testing.T) {
	for _, l := range []struct{ runtime, folder, handler string }{{"python3.11", "python", "app.handler"}, {"nodejs20.x", "node", "index.handler"}} {
		for _, levels := range []Logging{
			{Format: "JSON"},
			{Format: "JSON", ApplicationLevel: "ERROR", SystemLevel: "WARN", Group: "/mine"},
		} {
			t.Run(l.runtime+levels.ApplicationLevel, func(t *testing.T) {
				var logs sink
				p := newPool(t, Config{Logs: &logs})
				f := language(t, p, l.runtime, l.folder)(l.handler)
				f.Logging = levels
				in := call(do("log", ""))
				r, err := p.Invoke(context.Background(), f, in)
				if err != nil || r.FunctionError != "" {
					t.Fatal(err, string(r.Payload))
				}
				invoke(t, p, f, do("error", "no luck"))
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				var seen []string
				for _, line := range logs.lines {
					var x struct {
						Type, Level, Message, RequestID, Timestamp, Time, ErrorType string
						Log_level                                                   string
						Record                                                      struct {
							RequestID, Version, Status, ErrorType string
							Metrics                               struct{ DurationMs, BilledDurationMs, MemorySizeMB, MaxMemoryUsedMB, InitDurationMs float64 }
						}
					}
					err := json.Unmarshal([]byte(line), &x)
					if err != nil { // Node's message of an error is an object
						var y struct {
							Level   string
							Message struct{ ErrorType, ErrorMessage string }
						}
						err = json.Unmarshal([]byte(line), &y)
						x.Level, x.ErrorType = y.Level, y.Message.ErrorType
					}
					switch {
					case err != nil: // what is printed is not the runtime's to wrap
						seen = append(seen, line)
					case x.Type == "platform.report":
						if m := x.Record.Metrics; m.DurationMs <= 0 || m.BilledDurationMs <= 0 || m.MemorySizeMB != 256 || m.MaxMemoryUsedMB <= 0 {
							t.Errorf("%s", line)
						}
						seen = append(seen, x.Type+" "+x.Record.Status)
					case x.Type != "":
						seen = append(seen, x.Type)
					case x.Level+x.Log_level == "":
						t.Errorf("%s", line)
					default:
						if x.RequestID == "" && x.ErrorType == "" {
							t.Errorf("%s", line)
						}
						seen = append(seen, strings.TrimSpace(x.Level+x.Log_level+" "+x.Message+x.ErrorType))
					}
				}
				want := map[string][]string{
					"python3.11": {
						"platform.initStart", "platform.start", "printed ä", "to stderr", "INFO logged here", "platform.report success",
						"platform.start", "ERROR CustomError", "platform.report error",
					},
					"nodejs20.x": {
						"platform.initStart", "platform.start", "INFO printed ä", "ERROR to stderr", "platform.report success",
						"platform.start", "ERROR CustomError", "platform.report error",
					},
				}[l.runtime]
				if levels.ApplicationLevel != "" {
					want = map[string][]string{
						"python3.11": {"printed ä", "to stderr", "ERROR CustomError", "platform.report error"},
						"nodejs20.x": {"ERROR to stderr", "ERROR CustomError", "platform.report error"},
					}[l.runtime]
					if !logs.groups["/mine"] {
						t.Errorf("groups %v", logs.groups)
					}
				}
				if !slices.Equal(seen, want) {
					t.Errorf("%q\nwant %q\n%s", seen, want, strings.Join(logs.lines, "\n"))
				}
			})
		}
	}
}
