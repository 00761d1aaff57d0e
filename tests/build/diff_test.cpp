#include "cooper/build/diff.hpp"

#include "build/edit_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

using Form = LayerSpec::Form;

std::vector<std::string> told(const std::vector<ValueChange>& changes) {
    std::vector<std::string> lines;
    for (const auto& change : changes) {
        lines.push_back(change.pointer + " " + change.before.value_or("-") + " " + change.after.value_or("-"));
    }
    return lines;
}

std::vector<std::string> told(const std::vector<FileChange>& changes) {
    std::vector<std::string> lines;
    for (const auto& change : changes) {
        auto line = std::string(to_string(change.kind())) + " " + change.path;
        for (const auto field : change.fields) {
            line += " " + std::string(field);
        }
        lines.push_back(line);
    }
    return lines;
}

using Lines = std::vector<std::string>;

Lines json_diff(std::string_view before, std::string_view after) {
    return told(diff_json(before, after, "test"));
}

}  // namespace

TEST_CASE("diff: JSON by pointer", "[unit][build]") {
    CHECK(json_diff(R"({"a":1,"b":{"c":[1,2]}})", R"({ "b":{"c":[1,2]}, "a":1 })").empty());
    CHECK(json_diff(R"({"a":1,"b":2,"c":3})", R"({"b":4,"a":1,"d":5})") == Lines{"/b 2 4", "/c 3 -", "/d - 5"});
    CHECK(json_diff(R"({"a/b":{"~":1}})", R"({"a/b":{"~":2}})") == Lines{"/a~1b/~0 1 2"});
    CHECK(json_diff(R"(["x","y","z"])", R"(["new","x","z"])") == Lines{R"(/0 - "new")", R"(/1 "y" -)"});
    CHECK(json_diff(R"([{"a":1},2])", R"([{"a":3},2])") == Lines{"/0/a 1 3"});
    CHECK(json_diff(R"({"a":1.10})", R"({"a":1.1})") == Lines{"/a 1.10 1.1"});
    CHECK(json_diff(R"({"a":"\u0041"})", R"({"a":"A"})").empty());
    CHECK(json_diff(R"({"a":null})", "{}") == Lines{"/a null -"});
    CHECK(json_diff("1", "[1]") == Lines{" 1 [1]"});
    CHECK(json_diff(R"({"Env":["A=1","B=2","C=3"]})", R"({"Env":["C=3","D=4","A=9"]})") ==
          Lines{R"(/Env/2 "A=1" "A=9")", R"(/Env/1 "B=2" -)", R"(/Env/1 - "D=4")"});
    CHECK(code_of([] { (void)diff_json("{", "{}", "test"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("diff: the same image is the same without reading a layer", "[unit][build]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image = memory_image({{Form::Gzip, tar_of({tar_file("x")})}}, &blobs);
    const auto result = diff(image, image, {}, {});
    CHECK(result.same());
    CHECK(blobs->opened() == 0);
    REQUIRE(result.layers.size() == 1);
    CHECK(result.layers[0].same_blob);
}

TEST_CASE("diff: files by layer and in the whole", "[unit][build]") {
    const LayerSpec base{Form::Gzip, tar_of({tar_directory("d"), tar_file("d/a", "one"), tar_file("d/b", "b")})};
    auto executable = tar_file("run", "#!");
    auto changed = executable;
    changed.mode = 0755;
    changed.uid = 5;
    changed.mtime = 9;
    changed.xattrs = {{"user.x", "1"}};
    const auto before =
        memory_image({base, {Form::Gzip, tar_of({executable, tar_file("gone"), tar_symlink("l", "a")})}});
    const auto after = memory_image(
        {base,
         {Form::Zstd, tar_of({changed, tar_file("new"), tar_symlink("l", "b")})},
         {Form::Gzip, tar_of({tar_file("d/a", "two"), tar_file("d/.wh.b"), tar_file("d/c/.wh..wh..opq")})}});
    const auto result = diff(before, after, {}, {});
    CHECK_FALSE(result.same());
    REQUIRE(result.layers.size() == 3);
    CHECK(result.layers[0].same_content);
    CHECK(result.layers[0].files.empty());
    CHECK(told(result.layers[1].files) ==
          Lines{"removed gone", "changed l link", "added new", "changed run mode uid mtime xattrs"});
    CHECK_FALSE(result.layers[2].before);
    CHECK(told(result.layers[2].files) == Lines{"added d/a", "added d/b", "added d/c/*"});
    CHECK(result.layers[2].files[1].after->whiteout);
    CHECK(told(result.files) == Lines{"changed d/a content", "removed d/b", "removed gone", "changed l link",
                                      "added new", "changed run mode uid mtime xattrs"});
    CHECK(result.files[0].before->content == sha256("one"));
    CHECK(result.files[0].after->content == sha256("two"));

    SECTION("without times") {
        const auto timeless = diff(before, after, {.ignore_times = true}, {});
        CHECK(told(timeless.files).back() == "changed run mode uid xattrs");
    }
    SECTION("documents only") {
        std::shared_ptr<MemoryBlobs> blobs;
        const auto image = memory_image({{Form::Gzip, tar_of({tar_file("x")})}}, &blobs);
        CHECK_FALSE(diff(image, after, {.layers = false, .file_system = false}, {}).same());
        CHECK(blobs->opened() == 0);
    }
}

TEST_CASE("diff: the same files in another order, tar or compression", "[unit][build]") {
    const auto ab = tar_of({tar_file("a"), tar_file("b")}), ba = tar_of({tar_file("b"), tar_file("a")});
    const auto result = diff(memory_image({{Form::Gzip, ab}}), memory_image({{Form::Gzip, ba}}), {}, {});
    REQUIRE(result.layers.size() == 1);
    CHECK(result.layers[0].read);
    CHECK_FALSE(result.layers[0].same_content);
    CHECK(result.layers[0].files.empty());
    CHECK(result.files.empty());
    CHECK_FALSE(result.same());  // digests in manifest and config
    CHECK(diff(memory_image({{Form::Gzip, ab}}), memory_image({{Form::Gzip, ba}}), {.ignore_times = true}, {}).same());
    const auto packed = diff(memory_image({{Form::Gzip, ab}}), memory_image({{Form::Zstd, ab}}), {}, {});
    CHECK(packed.layers[0].same_content);
    CHECK_FALSE(packed.layers[0].same_blob);
    CHECK(packed.config.empty());
    CHECK(told(packed.manifest).size() == 3);  // media type, digest, size
}

TEST_CASE("diff: files that move between layers are the same in the whole", "[unit][build]") {
    const auto one = memory_image({{Form::Gzip, tar_of({tar_directory("d"), tar_file("d/a"), tar_file("b")})}});
    const auto two = memory_image({{Form::Gzip, tar_of({tar_file("d/a")})}, {Form::Gzip, tar_of({tar_file("b")})}});
    const auto result = diff(one, two, {}, {});
    CHECK(result.files.empty());  // the directory d is implied in one of them
    CHECK(told(result.layers[0].files) == Lines{"removed b", "removed d"});
    CHECK(told(result.layers[1].files) == Lines{"added b"});
}

TEST_CASE("diff: an inserted layer leaves the others in pairs", "[unit][build]") {
    const LayerSpec a{Form::Gzip, tar_of({tar_file("a")})}, b{Form::Gzip, tar_of({tar_file("b")})},
        c{Form::Gzip, tar_of({tar_file("c")})}, d{Form::Gzip, tar_of({tar_file("d")})};
    const auto result = diff(memory_image({a, b, c}), memory_image({a, d, b, c}), {}, {});
    REQUIRE(result.layers.size() == 4);
    CHECK(told(result.layers[1].files) == Lines{"added d"});
    CHECK(result.layers[2].before == 1);
    CHECK(result.layers[2].after == 2);
    CHECK(result.layers[3].same_blob);
}

TEST_CASE("diff: spelling alone is told apart", "[unit][build]") {
    const auto image = memory_image({{Form::Gzip, tar_of({tar_file("a")})}});
    auto config = image.config.raw;
    config.insert(1, " ");
    const auto result = diff(image, with_config(image, config), {}, {});
    CHECK(result.other_spelling);
    CHECK(result.config.empty());
    CHECK_FALSE(result.same());
    auto text = image.manifest.raw.bytes + "\n";
    CHECK_FALSE(diff(image, with_manifest(image, text), {}, {}).same());
}

TEST_CASE("diff: damaged layers are refused", "[unit][build]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image = memory_image({{Form::Plain, tar_of({tar_file("x", "content")})}}, &blobs);
    blobs->replace(image.manifest.layers[0].digest, tar_of({tar_file("x", "CONTENT")}));
    const auto other = memory_image({{Form::Gzip, tar_of({tar_file("x")})}});
    CHECK(code_of([&] { (void)diff(other, image, {}, {}); }) == ErrorCode::Integrity);
}
