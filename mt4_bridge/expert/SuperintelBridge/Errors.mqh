// What GetLastError says about a trade request, in three classes.
#ifndef SUPERINTEL_ERRORS
#define SUPERINTEL_ERRORS

enum ErrorClass
{
   ERROR_FINAL,   // a definite no
   ERROR_RETRY,   // a definite no for a reason that passes
   ERROR_UNKNOWN  // it may have happened: look, never send again
};

// The terminal itself said no.
bool NeverLeft(int code)
{
   switch(code)
   {
      case 4051: // invalid parameter of a function
      case 4106: // unknown symbol
      case 4107: // invalid price
      case 4108: // invalid ticket
      case 4109: // trading not allowed
      case 4110: // longs not allowed
      case 4111: // shorts not allowed
      case 4112: // the expert may not trade
         return true;
   }
   return false;
}

// Codes below 4000 are the trade server's; what is not listed may mean anything.
ErrorClass ClassOf(int code)
{
   switch(code)
   {
      case 4:    // server busy
      case 8:    // too frequent requests
      case 129:  // invalid price
      case 135:  // price changed
      case 136:  // off quotes
      case 138:  // requote
      case 141:  // too many requests
      case 146:  // trade context busy
         return ERROR_RETRY;
      case 2:    // common error
      case 3:    // invalid trade parameters
      case 5:    // old version of the terminal
      case 64:   // account disabled
      case 65:   // invalid account
      case 130:  // invalid stops
      case 131:  // invalid volume
      case 132:  // market closed
      case 133:  // trade disabled
      case 134:  // not enough money
      case 140:  // long positions only
      case 144:  // cancelled by hand before it was confirmed
      case 145:  // too close to the market to be modified
      case 147:  // expirations denied
      case 148:  // too many orders
      case 149:  // hedging prohibited
      case 150:  // first in, first out demanded
         return ERROR_FINAL;
   }
   if(NeverLeft(code))
      return ERROR_FINAL;
   // 0 no error and yet no ticket, 1 no result, 6 no connection, 7 not enough rights,
   // 9 malfunctional, 128 timeout, 137 broker busy, 139 locked, 142 enqueued, 143 being confirmed,
   // and all that is new. Of 6, 7 and 137, too, orders are known to have been filled afterwards.
   return ERROR_UNKNOWN;
}

string ClassName(ErrorClass kind)
{
   if(kind == ERROR_RETRY)
      return "RETRY";
   if(kind == ERROR_FINAL)
      return "FINAL";
   return "UNKNOWN";
}

#endif
