package profiles

// Config returns what the client was made of, with the defaults in the place of zero values. It is for checks and reports. What it points
// to, such as the HTTPClient and the Limiter, is the client's: it must not be changed.
func (c *Client) Config() Config { return c.cfg }
