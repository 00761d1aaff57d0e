#include "s3/failure.hpp"
#include "s3/xml.hpp"

#include <catch2/catch.hpp>

using namespace cooper::s3;  // NOLINT(google-build-using-namespace)

TEST_CASE("xml: elements, entities, CDATA, prefixes, empty elements", "[unit][s3]") {
    const auto root = xml::try_parse(
        "\xEF\xBB\xBF <?xml version='1.0'?><!-- c --><a:Root x='1' y=\">\"><Key>a&amp;b &lt;&#x41;&#66;&quot;</Key>"
        "<Key><![CDATA[<raw>&amp;]]></Key><Empty/><Empty z='/'></Empty></a:Root>\n");
    REQUIRE(root);
    CHECK(root->name == "Root");
    REQUIRE(root->children.size() == 4);
    CHECK(root->children[0].text == "a&b <AB\"");
    CHECK(root->children[1].text == "<raw>&amp;");
    CHECK(root->text_of("Empty").empty());
    CHECK(root->find("Missing") == nullptr);
}

TEST_CASE("xml: control characters by number are taken, since keys hold them", "[unit][s3]") {
    const auto root = xml::try_parse("<Key>a&#x8;&#10;&#xFFFF;&#x1F680;</Key>");
    REQUIRE(root);
    CHECK(root->text == "a\b\n\xEF\xBF\xBF\xF0\x9F\x9A\x80");
}

TEST_CASE("xml: what is cut, wrong or too much is no document", "[unit][s3]") {
    for (const char* bad :
         {"", "   ", "text", "<a>", "<a><b></a></b>", "<a>&unknown;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>",
          "<a/><b/>", "<a/>trailing", "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", "<a", "<a b='", "<>x</>", "</a>",
          "<a><![CDATA[x</a>", "<a>&amp</a>", "<a>]]></a", "<a><!-- </a>"}) {
        INFO(bad);
        CHECK_FALSE(xml::try_parse(bad));
    }
    std::string deep;
    for (std::size_t i = 0; i <= xml::kMaxDepth; ++i) {
        deep += "<a>";
    }
    CHECK_FALSE(xml::try_parse(deep));
    std::string wide = "<a>";
    for (std::size_t i = 0; i <= xml::kMaxElements; ++i) {
        wide += "<b/>";
    }
    CHECK_FALSE(xml::try_parse(wide + "</a>"));
}

TEST_CASE("xml: what is escaped comes back", "[unit][s3]") {
    const std::string text = "a&b<c>d\"e'\r\nf";
    CHECK(xml::try_parse("<x>" + xml::escape(text) + "</x>")->text == text);
}

TEST_CASE("failure: only code, message and request are shown, in one line", "[unit][s3]") {
    const Failure failure = read_failure(403, cooper::Headers{{"x-amz-request-id", "R1"}},
                                         "<Error><Code>SignatureDoesNotMatch</Code><Message>no\r\nmatch</Message>"
                                         "<StringToSign>AWS4 secret</StringToSign><Token-0>IQoJ</Token-0></Error>");
    CHECK(describe(failure) == "403 SignatureDoesNotMatch: no  match (request R1)");
}

TEST_CASE("failure: an error page of a proxy falls back to the status", "[unit][s3]") {
    const Failure failure = read_failure(503, {}, "<html><body>503 Service Temporarily Unavailable</body></html>");
    CHECK(failure.code.empty());
    CHECK(is_passing(failure));
    CHECK(describe(failure) == "503");
}
