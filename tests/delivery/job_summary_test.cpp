#include "cooper/delivery/job_summary.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;
using cooper::testing::count_of;

namespace {

Published sample() {
    PublishedImage image;
    image.name = "openhands";
    image.tag = "latest";
    image.key = "main/abc1234/openhands:latest.tar";
    image.file = "openhands_latest.tar";
    image.size = 1'234'567;
    image.sha256 = std::string(64, 'a');
    image.image_id = "sha256:" + std::string(64, 'b');
    image.link.url = "https://bucket.example/openhands%3Alatest.tar?X-Amz-Signature=1";
    image.link.expires = at("2024-01-16T21:00:00Z");
    image.link.warning = "ends earlier than asked";
    Published published;
    published.images = {image};
    published.changelog_key = "main/CHANGELOG.md";
    return published;
}

BuildInfo delivered_build() {
    BuildInfo info;
    info.branch = "main";
    info.commit = "abc1234000000000000000000000000000000000";
    info.subject = "Fix it";
    info.commit_url = "https://github.com/acme/openhands/commit/" + info.commit;
    return info;
}

}  // namespace

TEST_CASE("job summary: a row for each image, with its link and when that ends", "[unit][delivery]") {
    const std::string text = job_summary(sample(), delivered_build(), "s3://bucket");
    CHECK_THAT(text, Catch::Contains(
                         "### Delivered: main, commit [abc1234](https://github.com/acme/openhands/commit/abc1234"));
    CHECK_THAT(text, Catch::Contains(" - Fix it\n"));
    CHECK_THAT(text, Catch::Contains(
                         "| openhands:latest | "
                         "[openhands_latest.tar](https://bucket.example/openhands%3Alatest.tar?X-Amz-Signature=1) | "
                         "2024-01-16 21:00:00Z | 1.2 MB | `aaaa"));
    CHECK_THAT(text, Catch::Contains("> openhands_latest.tar: ends earlier than asked\n"));
    CHECK_THAT(text, Catch::Contains("Changelog: s3://bucket/main/CHANGELOG.md\n"));
}

TEST_CASE("job summary: hostile names neither end a cell nor begin markup", "[unit][delivery]") {
    Published published = sample();
    BuildInfo info = delivered_build();
    info.branch = "x|y<script>`\n| forged |";
    info.subject = "![x](https://evil) | <img src=x>\n### forged";
    info.commit_url = "javascript:alert(1)";
    published.images[0].link.url = "https://x/) | [y](https://evil";
    const std::string text = job_summary(published, info, "s3://b|c");
    CHECK(text.find("<script") == text.find("\\<script") + 1);
    CHECK(count_of(text, "\n### ") == 0);
    CHECK(count_of(text, "\n| forged") == 0);
    CHECK(text.find("javascript") == std::string::npos);
    CHECK(text.find("](https://evil") == text.find("\\[x](https://evil") + 3);
    CHECK(count_of(text, "](https://evil") == 1);
}
