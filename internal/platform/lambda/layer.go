package lambda

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// layerRecord is a layer; its versions stand beside it. Numbers only rise and are never used again, so the record stays
// when all versions are deleted.
type layerRecord struct {
	Name        string `json:"name"`
	NextVersion int64  `json:"nextVersion"`
}

// layerVersionRecord is one version of a layer. It is never changed in place.
type layerVersionRecord struct {
	Layer         string      `json:"layer"`
	Version       int64       `json:"version"`
	Description   string      `json:"description,omitempty"`
	License       string      `json:"license,omitempty"`
	Runtimes      []string    `json:"runtimes"` // nil when it was not given
	Architectures []string    `json:"architectures"`
	Code          codeRecord  `json:"code"`
	Created       time.Time   `json:"created"`
	Policy        []statement `json:"policy,omitempty"`
	Revision      string      `json:"revision,omitempty"` // of the policy
}

// layers holds all layers in memory. Whoever changes one holds the lock, the write to the store included.
type layers struct {
	mu   sync.RWMutex
	next map[string]int64 // by layer
	all  map[string]map[int64]*layerVersionRecord
}

// version finds a layer version, or nil. found, when given, is called while it cannot be deleted.
func (l *layers) version(name string, n int64, found ...func(*layerVersionRecord)) *layerVersionRecord {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v := l.all[name][n]
	if v != nil {
		for _, f := range found {
			f(v)
		}
	}
	return v
}

// newestFirst lists a layer's versions that fit; the caller holds the lock.
func (l *layers) newestFirst(name string, fits func(*layerVersionRecord) bool) []*layerVersionRecord {
	var vs []*layerVersionRecord
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(l.all[name]))) {
		if v := l.all[name][n]; fits(v) {
			vs = append(vs, v)
		}
	}
	return vs
}

func layerKey(name string, n int64) string { return sortable(name, strconv.FormatInt(n, 10)) }

// loadLayers reads all layers and takes references to their content.
func (s *Service) loadLayers(ctx context.Context) error {
	s.layers = &layers{next: map[string]int64{}, all: map[string]map[int64]*layerVersionRecord{}}
	err := scan(ctx, s.cfg.Store, layerBucket, func(_ string, r layerRecord) error {
		s.layers.next[r.Name], s.layers.all[r.Name] = r.NextVersion, map[int64]*layerVersionRecord{}
		return nil
	})
	if err != nil {
		return err
	}
	return scan(ctx, s.cfg.Store, layerVersions, func(_ string, r layerVersionRecord) error {
		s.codes.hold(r.Code.SHA256)
		s.layers.all[r.Layer][r.Version] = &r
		return nil
	})
}

var (
	layerNamePattern    = newPattern(`(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`)
	layerActionPattern  = newPattern(`lambda:GetLayerVersion`)
	layerPrincipal      = newPattern(`\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root`)
	compatibleRuntimes  = 15 // at most, of one layer
	compatibleMachines  = 2
	layerDateFormat     = modifiedFormat
	architectureSet     = "[x86_64, arm64]"
	layerNameLimit      = 140
	statementIDLimit    = 100
	noPolicy            = "No policy is associated with the given resource."
	noStatement         = "Statement %s is not found in resource policy."
	layerPolicyRevision = "GetLayerPolicy"
)

// layerVersionGroups finds the region, the account, the name and the number in the ARN of a layer version.
var layerVersionGroups = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-zA-Z0-9-]+:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+):(\d{1,18})$`)
})

// layerRuntimes are the identifiers that a layer may name, in the order of AWS's message; more than functions can have.
var layerRuntimes = []string{
	"ruby2.6", "dotnetcore1.0", "python3.7", "nodejs8.10", "nasa", "ruby2.7", "python2.7-greengrass", "dotnetcore2.0", "python3.8",
	"java21", "dotnet6", "dotnetcore2.1", "python3.9", "java11", "nodejs6.10", "provided", "dotnetcore3.1", "dotnet8", "java25",
	"java17", "nodejs", "nodejs4.3", "java8.al2", "go1.x", "dotnet10", "nodejs20.x", "go1.9", "byol", "nodejs10.x", "provided.al2023",
	"nodejs22.x", "python3.10", "java8", "nodejs12.x", "python3.11", "nodejs24.x", "nodejs8.x", "python3.12", "nodejs14.x", "nodejs8.9",
	"python3.13", "python3.14", "nodejs16.x", "provided.al2", "nodejs4.3-edge", "nodejs18.x", "ruby3.2", "python3.4", "ruby3.3",
	"ruby3.4", "ruby2.5", "python3.6", "python2.7",
}

// layerRef is a layer version as its ARN names it.
type layerRef struct {
	region, account, name string
	version               int64
}

func parseLayerVersion(a string) (layerRef, bool) {
	m := layerVersionGroups().FindStringSubmatch(a)
	if m == nil {
		return layerRef{}, false
	}
	n, err := strconv.ParseInt(m[4], 10, 64)
	return layerRef{m[1], m[2], m[3], n}, err == nil
}

func (s *Service) layerARN(name string) string {
	return "arn:aws:lambda:" + s.cfg.Region + ":" + s.cfg.Account + ":layer:" + name
}

func (s *Service) layerVersionARN(name string, n int64) string {
	return s.layerARN(name) + ":" + strconv.FormatInt(n, 10)
}

// layerName reads a layer's name or ARN; c holds violations of the request's other members.
func (s *Service) layerName(given *string, c *constraints) (string, error) {
	d := &constraints{}
	if given == nil {
		d.Null("layerName")
	} else {
		d.Length("layerName", *given, 1, layerNameLimit)
		d.pattern("layerName", *given, layerNamePattern)
	}
	d.Add(&c.Violations)
	if err := d.Err(); err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(*given, s.layerARN(""))
	if !ok && strings.HasPrefix(*given, "arn:") {
		return "", accessDenied("User: arn:aws:iam::" + s.cfg.Account + ":root is not authorized to perform this action on resource: " + *given)
	}
	return name, nil
}

// layerVersion reads what names one layer version.
func (s *Service) layerVersion(given *string, n *int64, c *constraints) (string, int64, error) {
	if n == nil {
		c.Null("versionNumber")
	}
	name, err := s.layerName(given, c)
	if err == nil && *n < 1 {
		err = invalid("Layer Version Cannot be less than 1.")
	}
	if err != nil {
		return "", 0, err
	}
	return name, *n, nil
}

func constrainCompatible(c *constraints, runtimes []types.Runtime, machines []types.Architecture) {
	if len(runtimes) > compatibleRuntimes {
		c.Fail(list(runtimes), "compatibleRuntimes", "Member must have length less than or equal to "+strconv.Itoa(compatibleRuntimes))
	}
	if slices.ContainsFunc(runtimes, func(r types.Runtime) bool { return !slices.Contains(layerRuntimes, string(r)) }) {
		c.Fail(list(runtimes), "compatibleRuntimes", "Member must satisfy constraint: [Member must satisfy enum value set: "+list(layerRuntimes)+", Member must not be null]")
	}
	if len(machines) > compatibleMachines {
		c.Fail(list(machines), "compatibleArchitectures", "Member must have length less than or equal to "+strconv.Itoa(compatibleMachines))
	}
	if slices.ContainsFunc(machines, badArchitecture) {
		c.Fail(list(machines), "compatibleArchitectures", "Member must satisfy constraint: [Member must satisfy enum value set: "+architectureSet+", Member must not be null]")
	}
}

// list shows values as AWS's messages do.
func list[S ~string](values []S) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// PublishLayerVersion makes the next version of a layer of a zip, and the layer with its first one.
func (s *Service) PublishLayerVersion(ctx context.Context, in *sdk.PublishLayerVersionInput) (*sdk.PublishLayerVersionOutput, error) {
	c := &constraints{}
	if in.Content == nil {
		c.Null("content")
	}
	optional(in.Description, func(v string) { c.Length("description", v, 0, 256) })
	optional(in.LicenseInfo, func(v string) { c.Length("licenseInfo", v, 0, 512) })
	constrainCompatible(c, in.CompatibleRuntimes, in.CompatibleArchitectures)
	name, err := s.layerName(in.LayerName, c)
	if err != nil {
		return nil, err
	}
	st, err := s.stageCode(ctx, codeSource{zip: in.Content.ZipFile, bucket: in.Content.S3Bucket, key: in.Content.S3Key, version: in.Content.S3ObjectVersion},
		"Please provide a source for layer code.")
	if err != nil {
		return nil, err
	}
	v := &layerVersionRecord{
		Layer: name, Description: value(in.Description), License: value(in.LicenseInfo), Code: st.codeRecord, Created: s.modified(),
		Runtimes: texts(in.CompatibleRuntimes), Architectures: texts(in.CompatibleArchitectures),
	}
	if err := s.putLayerVersion(ctx, v, st); err != nil {
		st.discard()
		s.releaseCode(st.SHA256)
		return nil, err
	}
	d := s.describeLayerVersion(ctx, v)
	return &sdk.PublishLayerVersionOutput{
		CompatibleArchitectures: d.CompatibleArchitectures, CompatibleRuntimes: d.CompatibleRuntimes, Content: d.Content, CreatedDate: d.CreatedDate,
		Description: d.Description, LayerArn: d.LayerArn, LayerVersionArn: d.LayerVersionArn, LicenseInfo: d.LicenseInfo, Version: d.Version,
	}, nil
}

// putLayerVersion gives v its number and stores it. The reference that st holds becomes the record's.
func (s *Service) putLayerVersion(ctx context.Context, v *layerVersionRecord, st *staged) error {
	if err := st.install(); err != nil {
		return err
	}
	l := s.layers
	l.mu.Lock()
	defer l.mu.Unlock()
	v.Version = max(l.next[v.Layer], 1)
	b := &store.Batch{}
	if err := put(b, layerBucket, v.Layer, layerRecord{v.Layer, v.Version + 1}); err != nil {
		return err
	}
	if err := put(b, layerVersions, layerKey(v.Layer, v.Version), v); err != nil {
		return err
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	l.next[v.Layer] = v.Version + 1
	if l.all[v.Layer] == nil {
		l.all[v.Layer] = map[int64]*layerVersionRecord{}
	}
	l.all[v.Layer][v.Version] = v
	return nil
}

// GetLayerVersion answers with a layer version and a link to its content.
func (s *Service) GetLayerVersion(ctx context.Context, in *sdk.GetLayerVersionInput) (*sdk.GetLayerVersionOutput, error) {
	name, n, err := s.layerVersion(in.LayerName, in.VersionNumber, &constraints{})
	if err != nil {
		return nil, err
	}
	v := s.layers.version(name, n)
	if v == nil {
		return nil, notFound("The resource you requested does not exist.")
	}
	return s.describeLayerVersion(ctx, v), nil
}

// GetLayerVersionByArn is GetLayerVersion by the version's ARN.
func (s *Service) GetLayerVersionByArn(ctx context.Context, in *sdk.GetLayerVersionByArnInput) (*sdk.GetLayerVersionByArnOutput, error) {
	c := &constraints{}
	if in.Arn == nil {
		c.Null("arn")
	} else {
		c.Length("arn", *in.Arn, 1, layerNameLimit)
		c.pattern("arn", *in.Arn, layerPattern)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	r, ok := parseLayerVersion(*in.Arn)
	if !ok || r.region != s.cfg.Region || r.account != s.cfg.Account {
		return nil, accessDenied("User: arn:aws:iam::" + s.cfg.Account + ":root is not authorized to perform: lambda:GetLayerVersion on resource: " + *in.Arn +
			" because no resource-based policy allows the lambda:GetLayerVersion action")
	}
	v := s.layers.version(r.name, r.version)
	if v == nil {
		return nil, notFound("The resource you requested does not exist.")
	}
	return (*sdk.GetLayerVersionByArnOutput)(s.describeLayerVersion(ctx, v)), nil
}

// DeleteLayerVersion deletes a layer version; functions that use it keep its content. One that does not exist is no error.
func (s *Service) DeleteLayerVersion(ctx context.Context, in *sdk.DeleteLayerVersionInput) (*sdk.DeleteLayerVersionOutput, error) {
	name, n, err := s.layerVersion(in.LayerName, in.VersionNumber, &constraints{})
	if err != nil {
		return nil, err
	}
	l := s.layers
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.all[name][n]
	if v == nil {
		return &sdk.DeleteLayerVersionOutput{}, nil
	}
	b := &store.Batch{}
	b.Delete(layerVersions, layerKey(name, n))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	delete(l.all[name], n)
	s.releaseCode(v.Code.SHA256)
	return &sdk.DeleteLayerVersionOutput{}, nil
}

// compatible constrains the filters of the lists and gives what fits them.
func compatible(c *constraints, runtime types.Runtime, machine types.Architecture) func(*layerVersionRecord) bool {
	c.Enum("compatibleRuntime", string(runtime), layerRuntimes...)
	c.Enum("compatibleArchitecture", string(machine), "x86_64", "arm64")
	return func(v *layerVersionRecord) bool {
		return (runtime == "" || slices.Contains(v.Runtimes, string(runtime))) &&
			(machine == "" || slices.Contains(v.Architectures, string(machine)))
	}
}

// ListLayerVersions lists a layer's versions, the newest first.
func (s *Service) ListLayerVersions(_ context.Context, in *sdk.ListLayerVersionsInput) (*sdk.ListLayerVersionsOutput, error) {
	c := &constraints{}
	fits := compatible(c, in.CompatibleRuntime, in.CompatibleArchitecture)
	c.integer("maxItems", in.MaxItems, 1, 50)
	name, err := s.layerName(in.LayerName, c)
	if err != nil {
		return nil, err
	}
	s.layers.mu.RLock()
	vs := s.layers.newestFirst(name, fits)
	s.layers.mu.RUnlock()
	const beyond = 1 << 60 // the newest sorts first
	items, next, err := page(vs, func(v *layerVersionRecord) string { return layerKey("", beyond-v.Version) }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListLayerVersionsOutput{LayerVersions: []types.LayerVersionsListItem{}, NextMarker: next}
	for _, v := range items {
		out.LayerVersions = append(out.LayerVersions, s.listItem(v))
	}
	return out, nil
}

// ListLayers lists the layers by name, each with the newest version that fits the filters; a layer without one is left
// out.
func (s *Service) ListLayers(_ context.Context, in *sdk.ListLayersInput) (*sdk.ListLayersOutput, error) {
	c := &constraints{}
	fits := compatible(c, in.CompatibleRuntime, in.CompatibleArchitecture)
	c.integer("maxItems", in.MaxItems, 1, 50)
	if err := c.Err(); err != nil {
		return nil, err
	}
	s.layers.mu.RLock()
	var newest []*layerVersionRecord
	for _, name := range slices.Sorted(maps.Keys(s.layers.all)) {
		if vs := s.layers.newestFirst(name, fits); len(vs) > 0 {
			newest = append(newest, vs[0])
		}
	}
	s.layers.mu.RUnlock()
	items, next, err := page(newest, func(v *layerVersionRecord) string { return v.Layer }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListLayersOutput{Layers: []types.LayersListItem{}, NextMarker: next}
	for _, v := range items {
		item := s.listItem(v)
		out.Layers = append(out.Layers, types.LayersListItem{LayerArn: aws.String(s.layerARN(v.Layer)), LayerName: aws.String(v.Layer), LatestMatchingVersion: &item})
	}
	return out, nil
}

func (s *Service) listItem(v *layerVersionRecord) types.LayerVersionsListItem {
	return types.LayerVersionsListItem{
		CompatibleArchitectures: named[types.Architecture](v.Architectures), CompatibleRuntimes: named[types.Runtime](v.Runtimes),
		CreatedDate: aws.String(v.Created.Format(layerDateFormat)), Description: aws.String(v.Description),
		LayerVersionArn: aws.String(s.layerVersionARN(v.Layer, v.Version)), LicenseInfo: text(v.License), Version: v.Version,
	}
}

func (s *Service) describeLayerVersion(ctx context.Context, v *layerVersionRecord) *sdk.GetLayerVersionOutput {
	d := s.listItem(v)
	return &sdk.GetLayerVersionOutput{
		CompatibleArchitectures: d.CompatibleArchitectures, CompatibleRuntimes: d.CompatibleRuntimes, CreatedDate: d.CreatedDate,
		Description: d.Description, LicenseInfo: d.LicenseInfo, Version: d.Version,
		LayerArn: aws.String(s.layerARN(v.Layer)), LayerVersionArn: d.LayerVersionArn,
		Content: &types.LayerVersionContentOutput{
			CodeSha256: aws.String(codeSHA256(v.Code)), CodeSize: v.Code.Size, Location: aws.String(s.codeLocation(ctx, v.Code.SHA256)),
		},
	}
}

// texts gives the plain strings of an enumeration; nil stays nil.
func texts[S ~string](values []S) []string { return named[string](values) }

func named[T, S ~string](values []S) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}
