#include "cooper/delivery/place_below.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::MemoryPlace;

TEST_CASE("place below: keys get the prefix on the way in and lose it on the way out", "[unit][delivery]") {
    auto owned = std::make_unique<MemoryPlace>();
    MemoryPlace& memory = *owned;
    const Run run;
    memory.set_text("other/CHANGELOG.md", "of others");
    const auto place = make_place_below(std::move(owned), "/team/a/");

    CHECK(place->name() == "memory:/team/a");
    place->put_text("main/CHANGELOG.md", "one", run);
    CHECK(memory.text("team/a/main/CHANGELOG.md") == "one");

    const auto found = place->find_text("main/CHANGELOG.md", run);
    REQUIRE(found);
    CHECK(found->text == "one");
    CHECK(place->replace_text("main/CHANGELOG.md", "two", found->etag, run));
    CHECK_FALSE(place->replace_text("main/CHANGELOG.md", "three", found->etag, run));
    CHECK(place->list("", run) == std::vector<std::string>{"main/CHANGELOG.md"});
    CHECK_FALSE(place->find_text("other/CHANGELOG.md", run));
    CHECK_FALSE(place->find_tarball("main/abc1234/app:1.tar", run));
}

TEST_CASE("place below: without a prefix it is the place itself", "[unit][delivery]") {
    for (const char* prefix : {"", "/", "//"}) {
        auto owned = std::make_unique<MemoryPlace>();
        const Place* memory = owned.get();
        CHECK(make_place_below(std::move(owned), prefix).get() == memory);
    }
}
