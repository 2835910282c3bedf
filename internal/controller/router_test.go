package controller_test

import "context"

func (c *cloud) AwaitChange(ctx context.Context, _ string) error { return c.wait(ctx) }

func (m *mortal) AwaitChange(ctx context.Context, change string) error {
	return actErr(m, func() error { return m.Target.AwaitChange(ctx, change) })
}
