package pool

import (
	"encoding/json"
	"time"
)

// The platform's events in the JSON format.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html

type startRecord struct {
	RequestID string `json:"requestId"`
	Version   string `json:"version"`
}

type reportRecord struct {
	RequestID string        `json:"requestId"`
	Metrics   reportMetrics `json:"metrics"`
	Status    string        `json:"status"` // success, error, timeout or failure
	ErrorType string        `json:"errorType,omitempty"`
}

type reportMetrics struct {
	DurationMS       float64  `json:"durationMs"`
	BilledDurationMS int64    `json:"billedDurationMs"`
	MemorySizeMB     int      `json:"memorySizeMB"`
	MaxMemoryUsedMB  int64    `json:"maxMemoryUsedMB"`
	InitDurationMS   *float64 `json:"initDurationMs,omitempty"`
}

type initStartRecord struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	RuntimeVersion     string `json:"runtimeVersion"`
	FunctionName       string `json:"functionName"`
	FunctionVersion    string `json:"functionVersion"`
}

type initReportRecord struct {
	InitializationType string      `json:"initializationType"`
	Phase              string      `json:"phase"`
	Status             string      `json:"status"`
	ErrorType          string      `json:"errorType,omitempty"`
	Metrics            initMetrics `json:"metrics"`
}

type initMetrics struct {
	DurationMS float64 `json:"durationMs"`
}

// writeRecord adds an event of the platform, when its level is logged. It is called with mu held.
func (j *journal) writeRecord(at time.Time, kind string, l level, record any) {
	if l < j.f.Logging.system() {
		return
	}
	b, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{at.UTC().Format("2006-01-02T15:04:05.000Z"), kind, record})
	if err == nil { // numbers and strings can always be marshalled
		j.write(at, b)
	}
}

// writeReport adds the end of an invocation. It is called with mu held.
func (j *journal) writeReport(at time.Time, r report) {
	rec := reportRecord{RequestID: r.id, Status: "success", ErrorType: r.errorType, Metrics: reportMetrics{
		DurationMS: millis(r.duration), BilledDurationMS: r.billed.Milliseconds(),
		MemorySizeMB: j.f.memory(), MaxMemoryUsedMB: (r.memory + (1<<20 - 1)) >> 20,
	}}
	if r.cold {
		d := millis(r.init)
		rec.Metrics.InitDurationMS = &d
	}
	l := levelInfo
	if r.status != "" {
		rec.Status, l = r.status, levelWarn
	}
	j.writeRecord(at, "platform.report", l, rec)
}

// initialization is AWS's word for what an environment was started for.
func initialization(provisioned bool) string {
	if provisioned {
		return "provisioned-concurrency"
	}
	return "on-demand"
}
