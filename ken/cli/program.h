#pragma once

namespace ken::cli {

// The commands as one program; gives its exit code: 0 done, 1 the job failed, 2 the call was wrong.
int run_ken(int argc, char** argv);

}  // namespace ken::cli
