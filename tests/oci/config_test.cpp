#include "cooper/oci/config.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/manifest.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace cooper;
using namespace cooper::oci;

namespace {

const std::string kDiffId = "\"sha256:" + std::string(64, 'b') + "\"";

std::string config_text(const std::string& diff_ids, const std::string& more = "") {
    return R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":)" + diff_ids + "}" + more +
           "}";
}

ErrorCode code_of(const std::string& text) {
    try {
        Config::parse(text);
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("accepted: " << text);
    return ErrorCode::System;
}

}  // namespace

TEST_CASE("config: what cooper needs is read, the bytes stay", "[unit][oci]") {
    const std::string text =
        R"({"architecture":"arm64","variant":"v8","os":"linux","created":"2024-01-16T09:15:42.123456789+01:00",)"
        R"("history":[{"created_by":"a"},{"created_by":"b","empty_layer":true},{}],)"
        R"("rootfs":{"type":"layers","diff_ids":[)" +
        kDiffId + "," + kDiffId + R"(]},"unknown":[1,{}]})";
    const Config config = Config::parse(text);
    CHECK(config.raw == text);
    CHECK(config.image_id() == sha256(text));
    CHECK(config.platform == Platform::parse("linux/arm64"));
    CHECK(config.diff_ids.size() == 2);
    CHECK(config.has_history);
    CHECK(config.non_empty_history == 2);
    REQUIRE(config.created);
    CHECK(format_rfc3339(*config.created) == "2024-01-16T08:15:42Z");
}

TEST_CASE("config: absent and empty history stay absent, absent layers are none", "[unit][oci]") {
    CHECK_FALSE(Config::parse(config_text("[" + kDiffId + "]")).has_history);
    CHECK_FALSE(Config::parse(config_text("[" + kDiffId + "]", R"(,"history":[])")).has_history);
    CHECK_FALSE(Config::parse(config_text("[" + kDiffId + "]", R"(,"history":null)")).has_history);
    CHECK(Config::parse(config_text("null")).diff_ids.empty());
    CHECK(Config::parse(config_text("[]", R"(,"history":[{"empty_layer":true}])")).has_history);
    CHECK_FALSE(Config::parse(config_text("[]", R"(,"created":"yesterday")")).created);
}

TEST_CASE("config: history that counts other layers than the root file system is refused", "[unit][oci]") {
    CHECK_THROWS_WITH(Config::parse(config_text("[" + kDiffId + "]", R"(,"history":[{},{}])")),
                      Catch::Contains("history tells of 2 layers, rootfs.diff_ids of 1"));
    CHECK(code_of(config_text("[" + kDiffId + "]", R"(,"history":[{"empty_layer":true}])")) == ErrorCode::InvalidInput);
}

TEST_CASE("config: wrong members are named", "[unit][oci]") {
    for (const std::string& text :
         {std::string(), std::string("[]"), std::string("{}"), std::string("{\"os\":\"linux\"}"), config_text("{}"),
          config_text("[1]"), config_text(R"(["sha256:x"])"), config_text("[]", R"(,"history":{})"),
          config_text("[]", R"(,"history":[1])"), config_text("[]", R"(,"history":[{"empty_layer":"true"}])"),
          config_text("[]", R"(,"created":1)"), config_text("[]", R"(,"os":"windows")"),
          config_text("[]", R"(,"variant":7)"), std::string(R"({"os":"linux","architecture":"amd64","rootfs":[]})"),
          std::string(R"({"os":"linux","architecture":"amd64"})"),
          std::string(R"({"os":1,"architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}})")}) {
        CAPTURE(text);
        CHECK(code_of(text) == ErrorCode::InvalidInput);
    }
    CHECK(code_of(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"snapshots","diff_ids":[]}})") ==
          ErrorCode::Unsupported);
    CHECK(code_of(std::string(kMaxDocument + 1, ' ')) == ErrorCode::InvalidInput);
    CHECK_THROWS_WITH(Config::parse(config_text("[" + kDiffId + ",7]")), Catch::Contains("diff_ids[1]"));
}

TEST_CASE("image: layers and diff IDs must be as many", "[unit][oci]") {
    const std::string manifest =
        R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":1,"digest":)" +
        kDiffId + R"(},"layers":[]})";
    const Image image{Manifest::parse(classify_manifest(manifest, "").raw),
                      Config::parse(config_text("[" + kDiffId + "]")), nullptr};
    CHECK_THROWS_WITH(image.check(), Catch::Contains("0 layers") && Catch::Contains("1 diff IDs"));
}
