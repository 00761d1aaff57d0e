// A config from outside is edited: the result is a config again, says what the edit asked for, and an edit of nothing
// but the time keeps the text.
#include "cooper/build/edit.hpp"

#include "build/edit/json_text.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using cooper::build::ObjectText;

void edit(std::string_view text) {
    auto image = cooper::build::scratch_image(cooper::oci::Platform::parse("linux/amd64"));
    image.config = cooper::oci::Config::parse(std::string(text));
    cooper::fuzz::check(ObjectText(text).text() == text, "what is not edited stays");
    for (const auto& diff_id : image.config.diff_ids) {
        image.manifest.layers.push_back(
            {std::string(cooper::oci::media_type::kOciLayer), diff_id, 1024, {}, {}, {}, {}});
    }
    cooper::build::ConfigEdit change;
    change.env = {{"PATH", "/bin"}, {"NEW", "\"<&>\""}};
    change.entrypoint = {"/run"};
    change.workdir = "/srv";
    change.user = "1000";
    change.labels = {{"label", "value"}};
    const auto edited = cooper::build::append(image, {}, change);  // parses what it wrote
    const ObjectText document(edited.config.raw);
    const ObjectText container(*document.find("config"));
    cooper::fuzz::check(*container.find("WorkingDir") == "\"/srv\"", "the workdir is set");
    cooper::fuzz::check(container.find("Env")->find("PATH=/bin") != std::string::npos, "the variable is set");
    const auto again = cooper::build::append(edited, {}, {});
    cooper::fuzz::check(again.config.raw == edited.config.raw, "an edit of nothing changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] { edit(text); });
    cooper::fuzz::expect_only_errors([&] { (void)ObjectText(text); });
    cooper::fuzz::expect_only_errors([&] { (void)cooper::build::ArrayText(text); });
    return 0;
}
