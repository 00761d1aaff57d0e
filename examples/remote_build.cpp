// A finished build context is built by a Runtime API under one or more names; prints the image's name.
//
//   RUNTIME_API_URL=https://… RUNTIME_API_KEY=… remote_build context.tar.gz NAME [NAME ...]
#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/build/remote_builder.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

class Notices final : public cooper::Progress {
public:
    void notice(cooper::NoticeLevel /*level*/, std::string_view text) noexcept override {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
    }
};

std::string build(const std::string& file, const std::vector<std::string>& names) {
    const auto environment = cooper::Environment::process();
    const auto http = cooper::make_http_client({}, environment);
    cooper::build::RemoteBuilderOptions options;
    options.base_url = environment.get("RUNTIME_API_URL").value_or("");
    options.api_key = cooper::Secret(environment.get("RUNTIME_API_KEY").value_or(""));
    const cooper::build::RemoteBuilder builder(*http, options);

    Notices notices;
    cooper::Run run;
    run.progress = &notices;
    return builder.build(std::make_shared<cooper::FileRanged>(file), names, run);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s CONTEXT.tar.gz NAME [NAME ...]\n", argv[0]);
        return 2;
    }
    try {
        std::printf("%s\n", build(argv[1], {argv + 2, argv + argc}).c_str());
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
