package profilestest_test

import "github.com/segmentprofiles/segmentprofiles-go/profiles/profilestest"

// The first file's tests pass. The second has mistakes of its own.
func ExampleRunMappings() {
	t := new(printer) // the test's *testing.T
	profilestest.RunMappings(t, "testdata/shop.json", "testdata/shop.tests.json")
	profilestest.RunMappings(t, "testdata/shop.json", "testdata/typo.tests.json")
	// Output:
	// profilestest: testdata/typo.tests.json:4: "userID" is not a member of an expected message: anonymousId, context, event, groupId, integrations, mapping, messageId, properties, timestamp, traits, type, userId
	// testdata/typo.tests.json:4: mapping must be the id of a mapping of the destination
	// testdata/typo.tests.json:5: "skiped" is not a member of a test: invalid, messages, model, name, record, skipped
}
