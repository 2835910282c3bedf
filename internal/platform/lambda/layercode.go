package lambda

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// content lists what must be on disk for a version: the folders of its code and of its layers, and, where there are
// several layers, the folder in which they are merged.
func (v *versionRecord) content() []string { return content(v.Code, v.Config.Layers) }

// contentRecord is of a versionRecord what says what it needs.
type contentRecord struct {
	Code   codeRecord `json:"code"`
	Config struct {
		Layers []layerUse `json:"layers"`
	} `json:"config"`
}

func (r *contentRecord) content() []string { return content(r.Code, r.Config.Layers) }

func content(code codeRecord, layers []layerUse) []string {
	all := []string{code.SHA256}
	for _, l := range layers {
		all = append(all, l.Code.SHA256)
	}
	if len(layers) > 1 {
		all = append(all, mergedID(layers))
	}
	return all
}

// mergedID names the folder of layers merged in this order. It has the form of a SHA-256, as every folder's name.
func mergedID(layers []layerUse) string {
	h := sha256.New()
	h.Write([]byte("layers\n"))
	for _, l := range layers {
		h.Write([]byte(l.Code.SHA256 + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// optDir is the folder that a version finds in /opt; "" without layers.
func (s *Service) optDir(v *versionRecord) string {
	switch layers := v.Config.Layers; len(layers) {
	case 0:
		return ""
	case 1:
		return s.codes.folder(layers[0].Code.SHA256)
	default:
		return s.codes.folder(mergedID(layers))
	}
}

// merge puts the folder of several layers in place; it is idempotent. The caller holds the layers' content and the
// folder's name.
func (c *codeStore) merge(layers []layerUse) error {
	id := mergedID(layers)
	if len(layers) < 2 || c.installed(id) {
		return nil
	}
	zips := make([][]byte, len(layers))
	for i, l := range layers {
		var err error
		if zips[i], err = os.ReadFile(c.zip(l.Code.SHA256)); err != nil {
			return err
		}
	}
	st := &staged{codeRecord: codeRecord{SHA256: id}, store: c}
	var err error
	if st.tmp, err = os.MkdirTemp(c.trees, c.tmp); err != nil {
		return err
	}
	if err := unpack(st.tmp, c.limit, zips...); err != nil {
		st.discard()
		return asZipError(err)
	}
	return st.install()
}

// unzipped is the size of a kept zip's files, in bytes. They were all unpacked once, which has checked the sizes.
func (c *codeStore) unzipped(sha string) (int64, error) {
	r, err := zip.OpenReader(c.zip(sha))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return 0, err
	}
	defer r.Close()
	var n int64
	for _, f := range r.File {
		n += int64(f.UncompressedSize64)
	}
	return n, nil
}

// checkSizes refuses code that is too large together with its layers, or layers that are it alone; code may be "".
func (s *Service) checkSizes(code string, layers []layerUse) error {
	if len(layers) == 0 {
		return nil
	}
	var total int64
	var err error
	if code != "" {
		total, err = s.codes.unzipped(code)
	}
	for _, l := range layers {
		n, e := s.codes.unzipped(l.Code.SHA256)
		err = errors.Join(err, e)
		total += n
	}
	if err != nil {
		return err
	}
	if total > s.codes.limit {
		return invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", s.codes.limit, total)
	}
	return nil
}

// restore makes everything that a version needs on disk again where it is missing.
func (s *Service) restore(v *versionRecord) error {
	if err := s.codes.restore(v.Code.SHA256); err != nil {
		return err
	}
	for _, l := range v.Config.Layers {
		if err := s.codes.restore(l.Code.SHA256); err != nil {
			return err
		}
	}
	return s.codes.merge(v.Config.Layers)
}

// maxLayers is how many layers a function can have.
const maxLayers = 5

// useLayers finds the layer versions that a function asks for, in AWS's order of checks, holds their content and merges
// them.
func (s *Service) useLayers(in *settings) ([]layerUse, error) {
	arns := in.Layers
	if len(arns) > maxLayers {
		return nil, invalid("Cannot reference more than %d layers.", maxLayers)
	}
	var uses []layerUse
	seen := map[string]string{} // layer → the version that was named first
	for _, a := range arns {
		r, ok := parseLayerVersion(a)
		switch {
		case !ok:
			return nil, invalid("Layer version %s does not exist.", a)
		case r.region != s.cfg.Region:
			return nil, invalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", s.cfg.Region)
		case r.account != s.cfg.Account:
			return nil, accessDenied("User: arn:aws:iam::" + s.cfg.Account + ":root is not authorized to perform: lambda:GetLayerVersion on resource: " + a +
				" because no resource-based policy allows the lambda:GetLayerVersion action")
		}
		v := s.layers.version(r.name, r.version, func(v *layerVersionRecord) {
			s.codes.hold(v.Code.SHA256)
			in.held = append(in.held, v.Code.SHA256)
		})
		if v == nil {
			return nil, invalid("Layer version %s does not exist.", a)
		}
		if first, twice := seen[r.name]; twice {
			return nil, invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", first, a)
		}
		seen[r.name] = a
		uses = append(uses, layerUse{ARN: a, Code: v.Code})
	}
	if err := s.checkSizes("", uses); err != nil {
		return nil, err
	}
	if len(uses) > 1 {
		id := mergedID(uses)
		s.codes.hold(id)
		in.held = append(in.held, id)
	}
	return uses, s.codes.merge(uses)
}

// releaseHeld gives back what apply has held.
func (s *Service) releaseHeld(in *settings) {
	for _, id := range in.held {
		s.releaseCode(id)
	}
}

func describeLayers(uses []layerUse) []types.Layer {
	var out []types.Layer
	for _, l := range uses {
		out = append(out, types.Layer{Arn: aws.String(l.ARN), CodeSize: l.Code.Size})
	}
	return out
}
